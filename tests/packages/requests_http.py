"""Twenty requests of a session through the network gate: JSON, a download, a redirect, an error, a refusal."""
# packages: requests
# image: text
# network: yes
import requests


def work():
    with requests.Session() as session:
        session.headers["X-Test"] = "yes"
        posted = session.post(f"{url}/echo", json={"a": [1, "ä"]}).json()
        sizes = [len(session.get(f"{url}/bytes/{n * 1000}").content) for n in range(16)]
        moved = session.get(f"{url}/redirect?to=/bytes/3")
        zipped = session.get(f"{url}/gzip").text
    return {
        "posted": posted["body"],
        "sizes": sizes,
        "moved": ([r.status_code for r in moved.history], moved.content),
        "zipped": zipped[:14],
    }

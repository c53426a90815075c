"""Twenty requests of a client and ten awaited together of an async one, through the network gate."""
# packages: httpx
# image: text
# network: yes
import asyncio

import httpx


async def together():
    async with httpx.AsyncClient() as client:
        answers = await asyncio.gather(*[client.get(f"{url}/bytes/{n}") for n in range(10)])
    return [len(answer.content) for answer in answers]


def work():
    with httpx.Client(follow_redirects=True) as client:
        posted = client.post(f"{url}/echo", json={"a": [1, "ä"]}).json()
        sizes = [len(client.get(f"{url}/bytes/{n * 1000}").content) for n in range(16)]
        moved = client.get(f"{url}/redirect?to=/bytes/3")
        with client.stream("GET", f"{url}/chunked/30000") as streamed:
            pieces = sum(len(piece) for piece in streamed.iter_bytes(1000))
    return {
        "posted": posted["body"],
        "sizes": sizes,
        "moved": ([r.status_code for r in moved.history], moved.content),
        "streamed": pieces,
        "together": asyncio.run(together()),
    }

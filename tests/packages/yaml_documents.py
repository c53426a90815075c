"""Documents with anchors, dates and block text read by both loaders and written again."""
# packages: PyYAML
# image: text
import yaml

TEXT = """
defaults: &d {retries: 3, when: 2024-02-29}
servers:
  - <<: *d
    name: "a\\u00e9"
    notes: |
      two
      lines
  - {name: b, ports: [80, 0x1f, 1_000], ratio: .inf, none: ~, flag: yes}
"""


def work():
    many = "\n---\n".join([TEXT] * 40)
    loaded = list(yaml.load_all(many, yaml.CSafeLoader))
    try:
        yaml.safe_load("!!python/object/apply:os.getcwd []")
    except yaml.YAMLError as error:
        problem = type(error).__name__
    return {
        "equal": loaded == list(yaml.safe_load_all(many)),
        "first": loaded[0],
        "written": yaml.safe_dump(loaded[0], sort_keys=True, allow_unicode=True),
        "by C": len(yaml.dump(loaded, Dumper=yaml.CSafeDumper)),
        "problem": problem,
        "has C": yaml.__with_libyaml__,
    }

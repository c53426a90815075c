"""Text encoded and decoded with a vocabulary made here, since the published ones are downloads."""
# packages: tiktoken
# image: text
import tiktoken

PATTERN = r"""'s|'t| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+"""


def vocabulary():
    ranks = {bytes([i]): i for i in range(256)}
    for word in (b"th", b"he", b"in", b"the", b" th", b" the", b"er", b"ing", b" a", b"an", b"and", b" and"):
        ranks[word] = len(ranks)
    return ranks


def work():
    encoding = tiktoken.Encoding(
        "own", pat_str=PATTERN, mergeable_ranks=vocabulary(), special_tokens={"<end>": 1000}
    )
    text = "The cat and the 2 dogs weren't thinking; übermorgen 日本. " * 1000
    tokens = encoding.encode(text)
    return {
        "count": len(tokens),
        "first": tokens[:12],
        "read back": encoding.decode(tokens) == text,
        "special": encoding.encode("a<end>", allowed_special="all"),
        "batch": [len(one) for one in encoding.encode_batch([text[:99], text[:999]], num_threads=2)],
    }

"""A byte-pair tokenizer trained on 2,000 lines, used one by one and in a batch, saved and loaded."""
# packages: tokenizers
# image: text
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers


def work():
    lines = [f"the quick brown fox {i} jumps over the lazy dog {i * 7919 % 97} times" for i in range(2000)]
    made = Tokenizer(models.BPE(unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["[UNK]", "[PAD]"], show_progress=False)
    made.train_from_iterator(lines, trainer)
    made.enable_padding(pad_token="[PAD]", pad_id=1)
    batch = made.encode_batch(lines)
    again = Tokenizer.from_str(made.to_str())
    return {
        "size": made.get_vocab_size(),
        "tokens": made.encode("The quick zebra").tokens,
        "lengths": len({len(one.ids) for one in batch}),
        "ids": sum(sum(one.ids) for one in batch),
        "equal": again.encode(lines[5]).ids == made.encode(lines[5]).ids,
        "offsets": made.encode("lazy dog").offsets[:2],
    }

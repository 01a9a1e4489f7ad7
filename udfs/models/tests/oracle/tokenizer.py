"""Small tokenizers of the two kinds that the models use, trained on the sample's glosses."""

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

# Rows of the models' tables: a few more than there are pieces, as models have them.
WORDPIECE_ROWS = 1536
UNIGRAM_ROWS = 1280


def wordpiece(lines):
    """Like BERT's."""
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    words.normalizer = normalizers.BertNormalizer()
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    words.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=1500, special_tokens=specials, show_progress=False
    )
    words.train_from_iterator(lines, trainer)
    words.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, words.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    # Published tokenizers come with limits that are not the model's.
    words.enable_truncation(100)
    words.enable_padding(length=100, pad_id=0, pad_token="[PAD]")
    return words


def unigram(lines):
    """Like XLM-RoBERTa's."""
    words = Tokenizer(models.Unigram())
    words.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.StripAccents()])
    words.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    words.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=1200,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        unk_token="<unk>",
        show_progress=False,
    )
    words.train_from_iterator(lines, trainer)
    words.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    words.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[(name, words.token_to_id(name)) for name in ("<s>", "</s>")],
    )
    return words


def load(path):
    """A tokenizer as a model uses it: without the file's own limits."""
    words = Tokenizer.from_file(str(path))
    words.no_truncation()
    words.no_padding()
    return words

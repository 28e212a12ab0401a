import os, random, tempfile
import spacy
from spacy.tokens import Doc
from spacy.training import Example, iob_to_biluo
from spacy.util import fix_random_seed, minibatch

# A blank English pipeline with a named entity recogniser; as many of ten rounds as begin within four CPU minutes.
ROUNDS, LIMIT = 10, 240
fix_random_seed(0)

def bio(tags):
    """BIO from whatever scheme: every span begins with B."""
    out = ["O"] * len(tags)
    for start, end, kind in spans(tags):
        out[start:end] = ["B-" + kind] + ["I-" + kind] * (end - start - 1)
    return out

start = time.process_time()
nlp = spacy.blank("en")
nlp.add_pipe("ner")
examples = [Example.from_dict(Doc(nlp.vocab, words=words), {"entities": iob_to_biluo(bio(tags))})
            for words, tags in read(train_file)]
optimizer = nlp.initialize(lambda: examples)
rounds = 0
while rounds < ROUNDS and time.process_time() - start < LIMIT:
    random.Random(rounds).shuffle(examples)
    for batch in minibatch(examples, size=128): nlp.update(batch, sgd=optimizer, drop=0.2)
    rounds += 1
seconds = time.process_time() - start

def tag(texts):
    found = []
    for doc in nlp.pipe([Doc(nlp.vocab, words=words) for words in texts], batch_size=256):
        found.append([f"{t.ent_iob_}-{t.ent_type_}" if t.ent_type_ else "O" for t in doc])
    return found

with tempfile.TemporaryDirectory() as folder:
    nlp.to_disk(folder)
    size = sum(os.path.getsize(os.path.join(path, name)) for path, _, names in os.walk(folder) for name in names)
    tell("spaCy", seconds, tag, test_files, bytes=size, rounds=rounds)

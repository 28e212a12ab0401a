import os, tempfile
import pycrfsuite

def shape(word):
    kinds = "".join("X" if c.isupper() else "x" if c.islower() else "d" if c.isdigit() else c for c in word)
    return kinds, "".join(c for i, c in enumerate(kinds) if i == 0 or kinds[i - 1] != c)

def features(words):
    lower = [word.lower() for word in words]; shapes = [shape(word) for word in words]
    rows = []
    for i, word in enumerate(words):
        row = ["b", "w=" + word, "l=" + lower[i], "s=" + shapes[i][0], "c=" + shapes[i][1]]
        row += [f"p{n}={word[:n]}" for n in range(1, 5)] + [f"e{n}={word[-n:]}" for n in range(1, 5)]
        for d in (-2, -1, 1, 2):
            j = i + d
            row += [f"{d}l={lower[j]}", f"{d}c={shapes[j][1]}"] if 0 <= j < len(words) else [f"{d}none"]
        for a, b in ((-1, 0), (0, 1), (-1, 1), (-2, -1), (1, 2)):
            if 0 <= i + a and i + b < len(words): row.append(f"{a}{b}={lower[i + a]}|{lower[i + b]}")
        rows.append(row)
    return rows

with tempfile.TemporaryDirectory() as folder:
    model = os.path.join(folder, "peer.crf")
    start = time.process_time()
    trainer = pycrfsuite.Trainer(verbose=False)
    for words, tags in read(train_file): trainer.append(features(words), tags)
    trainer.set_params({"c1": 0.05, "c2": 0.05, "max_iterations": 150, "feature.possible_transitions": True})
    trainer.train(model)
    seconds = time.process_time() - start
    tagger = pycrfsuite.Tagger(); tagger.open(model)
    tell("CRFsuite", seconds, lambda texts: [tagger.tag(features(words)) for words in texts], test_files,
         bytes=os.path.getsize(model))

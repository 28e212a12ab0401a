import gzip, json, resource, sys, time

def read(name):
    """Sentences of a file with a token per line: words and tags."""
    sentences, words, tags = [], [], []
    with (gzip.open if name.endswith(".gz") else open)(name, "rt", encoding="utf-8") as lines:
        for line in lines:
            parts = line.split()
            if not parts or parts[0] == "-DOCSTART-":
                if words: sentences.append((words, tags))
                words, tags = [], []
            else:
                words.append(parts[0]); tags.append(parts[-1])
    if words: sentences.append((words, tags))
    return sentences

def spans(tags):
    """Spans of IOB1, BIO or BILOU tags as conlleval reads them."""
    result, start, kind = set(), None, None
    for i, tag in enumerate(list(tags) + ["O"]):
        head, _, label = tag.partition("-")
        if start is not None and (head in "OBUS" or label != kind):
            result.add((start, i, kind)); start = None
        if head != "O" and start is None: start, kind = i, label
        if start is not None and head in "LEUS":
            result.add((start, i + 1, kind)); start = None
    return result

def f1(test, found):
    right = gold = given = 0
    for (_, truth), tags in zip(test, found):
        t, g = spans(truth), spans(tags)
        right += len(t & g); gold += len(t); given += len(g)
    return 2 * right / max(1, gold + given)

def tell(name, train_seconds, tag, tests, **more):
    """Tags every test file and prints what it took."""
    measured, tokens, seconds = {}, 0, 0.0
    for path in tests:
        test = read(path)
        start = time.process_time()
        found = tag([words for words, _ in test])
        seconds += time.process_time() - start
        tokens += sum(len(words) for words, _ in test)
        measured[path.rsplit("/", 1)[-1]] = round(f1(test, found), 4)
    print(json.dumps({
        "name": name, "train_cpu_seconds": round(train_seconds, 2), "predict_rows": tokens,
        "predict_cpu_seconds": round(seconds, 2), "predict_rows_per_second": round(tokens / max(seconds, 1e-9)),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1), "f1": measured, **more}))

train_file, test_files = sys.argv[1], sys.argv[2:]

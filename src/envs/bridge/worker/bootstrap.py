import linecache, os, signal, sys, types
# The terminal sends Ctrl-C to both; when to end is the parent's decision, already while
# this process imports.
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.path[:] = [p for p in sys.path if p]
for a in sys.argv[1:]:
    n, s = int(a.split(":")[1]), b""
    while len(s) < n:
        c = os.read(0, n - len(s))
        if not c:
            os._exit(1)
        s += c
    a, s = "foveate_" + a.split(":")[0], s.decode("utf-8")
    f = "<%s.py of foveate>" % a
    linecache.cache[f] = (len(s), None, s.splitlines(True), f)
    m = sys.modules[a] = types.ModuleType(a)
    m.__file__ = f
    exec(compile(s, f, "exec"), m.__dict__)
sys.modules["foveate_service"].run()

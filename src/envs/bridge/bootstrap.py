import os, sys
sys.path[:] = [p for p in sys.path if p]
n, s = int(sys.argv[1]), b""
while len(s) < n:
    c = os.read(0, n - len(s))
    if not c:
        os._exit(1)
    s += c
s, f = s.decode("utf-8"), "<foveate worker.py>"
import linecache
linecache.cache[f] = (len(s), None, s.splitlines(True), f)
exec(compile(s, f, "exec"), {"__name__": "__main__"})

"""Makes assets/echarts.min.js.gz from the npm package. Run from the repository root:

    python3 assets/generate/echarts.py
"""

import gzip
from pathlib import Path

import packages

FILE = "dist/echarts.min.js"

script = packages.members("echarts", lambda path: path == FILE)[FILE]
target = Path(__file__).resolve().parents[1] / "echarts.min.js.gz"
target.write_bytes(gzip.compress(script, compresslevel=9, mtime=0))
print(f"wrote {target}: {target.stat().st_size:,} bytes")

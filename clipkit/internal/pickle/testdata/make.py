"""Makes protocol0.pkl to protocol5.pkl: one tuple of everything (pickle_test.go has the same).  python make.py"""
import os
import pickle

HERE = os.path.dirname(os.path.abspath(__file__))
EVERYTHING = (None, True, False, 0, 255, 256, 65536, -1, 2**31 - 1, -(2**31), 2**40, -(2**63), 2**64, -(2**70), 1.5, float("-inf"), "a", "高级感😀",
              "x\\u\n", "y" * 300, ("t",), (), (1, 2), (1, 2, 3), (1, 2, 3, 4), [1, [2]], {"k": 1, 2: "v", None: 0.5})
for p in range(6):
    with open(os.path.join(HERE, f"protocol{p}.pkl"), "wb") as f:
        f.write(pickle.dumps(EVERYTHING, p))

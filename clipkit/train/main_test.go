package train

import (
	"fmt"
	"os"
	"testing"

	"clipnb/clipkit/internal/limit"
)

// childEnv says what this test program does when a test starts it as another process, instead of testing.
const childEnv = "CLIPKIT_TRAIN_CHILD"

func TestMain(m *testing.M) {
	children := map[string]func() error{"memory": memoryChild, "killed": killedChild, "ranks": ranksChild}
	if child, ok := children[os.Getenv(childEnv)]; ok {
		if err := child(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	limit.Main(m)
}

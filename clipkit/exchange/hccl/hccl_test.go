package hccl

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"clipnb/clipkit/device/ascend"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/exchange/exchangetest"
)

// A missing library, or one that is not CANN's, is one line on every rank, of the first rank that lacks it.
func TestMissingAndForeignLibraries(t *testing.T) {
	const missing = "libnot-there-hccl.so"
	check(t, "no runtime", exchangetest.Everywhere(2, func(w exchange.World) error {
		_, err := join(w, w.Rank(), missing, missing)
		return err
	}), [2]string{"rank 0 cannot join: CANN's libraries cannot be used (" + missing + ": cannot open", "rank 0 cannot join: CANN's libraries cannot be used"})

	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("no gcc here: a foreign library cannot be made")
	}
	library := func(name, source string) string {
		path := filepath.Join(t.TempDir(), name)
		cmd := exec.Command("gcc", "-shared", "-fPIC", "-x", "c", "-o", path, "-")
		cmd.Stdin = strings.NewReader(source)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return path
	}
	foreign := library("libforeign.so", "int nothing;")
	acl := library("libacl.so", "void aclrtSetDevice(void){} void aclrtCreateStream(void){} void aclrtDestroyStream(void){} void aclrtSynchronizeStream(void){} void aclGetRecentErrMsg(void){}")
	text := filepath.Join(t.TempDir(), "libtext.so")
	if err := os.WriteFile(text, []byte("no library"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ acl, hccl, want string }{
		{foreign, foreign, "libforeign.so has no aclrtSetDevice)"},
		{acl, foreign, "libforeign.so has no Hccl"},
		{acl, missing, missing + ": cannot open"},
		{acl, text, "libtext.so: file too short"},
	} {
		check(t, c.hccl, exchangetest.Everywhere(2, func(w exchange.World) error {
			_, err := join(w, w.Rank(), c.acl, c.hccl)
			return err
		}), [2]string{c.want, c.want})
	}
}

func TestWhatToDoAboutMissingLibraries(t *testing.T) {
	none := toolkit(ascend.Look(ascend.System{Root: fstest.MapFS{}, Getenv: func(string) string { return "" }}))
	if !strings.Contains(none, "the CANN toolkit is not installed") || !strings.Contains(none, "kernels/npu/README.md") {
		t.Error(none)
	}
	installed := ascend.Installation{Toolkit: "/opt/cann/latest", SetEnv: "/opt/cann/set_env.sh"}
	if got := toolkit(installed); !strings.Contains(got, "source /opt/cann/set_env.sh") {
		t.Error(got)
	}
	installed.Sourced = true
	if got := toolkit(installed); !strings.Contains(got, "LD_LIBRARY_PATH") {
		t.Error(got)
	}
}

// Where there are no cards, or all are told to leave them alone, nothing is joined; ranks that differ in that are told.
func TestWithoutCards(t *testing.T) {
	over := func(card func(rank int) int) []error {
		return exchangetest.Everywhere(2, func(w exchange.World) error {
			cards, err := Over(w, card(w.Rank()))
			if cards != nil {
				t.Errorf("rank %d has joined", w.Rank())
			}
			return err
		})
	}
	check(t, "no cards", over(func(int) int { return -1 }), [2]string{})
	const differ = "rank 0 has an Ascend card, rank 1 has no Ascend card"
	check(t, "one card", over(func(rank int) int { return -rank }), [2]string{differ, differ})
	t.Setenv(variable, "off")
	check(t, "switched off", over(func(rank int) int { return rank }), [2]string{})
	t.Setenv(variable, "of")
	const other = "rank 0 has another CLIPKIT_HCCL; want off"
	check(t, "a word that is none", over(func(rank int) int { return rank }), [2]string{other, other})
	if cards, err := Over(exchange.Alone, 0); cards != nil || err != nil {
		t.Errorf("alone: %v, %v", cards, err)
	}
}

func TestArguments(t *testing.T) {
	w := &World{World: exchange.Alone}
	for want, err := range map[string]error{
		"2 addresses and 1 lengths":        w.SumOnDevice([]uintptr{1, 2}, []int{1}),
		"tensor 0 has 3 values at address": w.SumOnDevice([]uintptr{0}, []int{3}),
		"tensor 0 has -1 values":           w.SumOnDevice([]uintptr{64}, []int{-1}),
	} {
		check(t, want, []error{err}, [2]string{want})
	}
}

// What the runtime says goes over many lines, the last of which are places in its sources.
func TestBrief(t *testing.T) {
	const said = "EI0006: [PID: 12] 2025-01-02-03:04:05.678\n  Getting socket times out. Reason: 1. The remote does not start.\n        TraceBack (most recent call last):\n  ra_socket.cc:91"
	if got := brief(said); got != "EI0006: [PID: 12] 2025-01-02-03:04:05.678 Getting socket times out. Reason: 1. The remote does not start." {
		t.Errorf("%q", got)
	}
	if got := brief(strings.Repeat("长", 1000) + "\xff"); len(got) > maxSaid+len("…") || !strings.HasSuffix(got, "长…") {
		t.Errorf("%q", got)
	}
}

// Every result of HCCL that is known has its meaning, and reads as one line.
func TestCodes(t *testing.T) {
	for code := 1; code <= 24; code++ {
		if got := (failed{call: "HcclAllReduce", code: code}).Error(); codes[code] == "" || strings.Contains(got, "\n") {
			t.Errorf("%d: %s", code, got)
		}
	}
}

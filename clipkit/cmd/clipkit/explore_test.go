package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// explorePage runs the command until the page answers, asks it something, and interrupts it.
func explorePage(t *testing.T, ask string, args ...string) (said, answer string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, in := io.Pipe()
	ended := make(chan int, 1)
	var errOut bytes.Buffer
	go func() {
		status := run(ctx, append([]string{"explore"}, args...), in, &errOut)
		in.CloseWithError(errors.New(errOut.String()))
		ended <- status
	}()
	line := make([]byte, 500)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	said = string(line[:n])
	url := regexp.MustCompile(`http://\S+`).FindString(said)
	reply, err := http.Post(url+"api/search", "application/json", strings.NewReader(ask))
	if err != nil {
		t.Fatal(said, err)
	}
	b, err := io.ReadAll(reply.Body)
	reply.Body.Close()
	if err != nil || reply.StatusCode != http.StatusOK {
		t.Errorf("%s %s %v", reply.Status, b, err)
	}
	cancel()
	if status := <-ended; status != 130 || errOut.String() != "interrupted\n" {
		t.Errorf("it ended with %d: %s", status, &errOut)
	}
	return said, string(b)
}

func TestExploreCommand(t *testing.T) {
	t.Setenv("CLIPKIT_ROOT", t.TempDir())
	if _, answer := explorePage(t, `{"text": "红心", "k": 1, "model": 1}`, "--addr", "127.0.0.1:0", "--split", "valid", "--beside", "emoji", "emoji"); !strings.Contains(answer, `"captions":["`) {
		t.Error(answer)
	}
	dir := t.TempDir()
	for i, name := range []string{"rgb_exact_224x224.png", "p_120x88.png"} {
		b, err := os.ReadFile("../../imaging/testdata/" + name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, []string{"猫.png", "狗.png"}[i]), b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	const token = "0123456789abcdefgh"
	tokenFile, weak := filepath.Join(t.TempDir(), "token"), filepath.Join(t.TempDir(), "token")
	if err := errors.Join(os.WriteFile(tokenFile, []byte(token+"\n"), 0o600), os.WriteFile(weak, []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	said, answer := explorePage(t, `{"text": "猫"}`, "--addr", "127.0.0.1:0", "--token-file", tokenFile, dir)
	if !strings.Contains(said, "/"+token+"/") || !strings.Contains(answer, `"captions":["猫.png"]`) || !strings.Contains(answer, `"total":2`) {
		t.Error(said, answer)
	}
	// With a caption file, every picture is shown with its own, whatever split training would give it.
	if err := os.WriteFile(filepath.Join(dir, "captions.csv"), []byte("image,caption,split\n猫.png,一只猫,train\n狗.png,一只狗,valid\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, answer = explorePage(t, `{"text": "一只猫"}`, "--addr", "127.0.0.1:0", dir)
	if !strings.Contains(answer, `"captions":["一只猫"]`) || !strings.Contains(answer, `"captions":["一只狗"]`) || !strings.Contains(answer, `"labelled":{"right":1`) {
		t.Error(answer)
	}
	for name, args := range map[string][]string{
		"nothing to show": {}, "two things": {"emoji", "emoji"}, "precision": {"--precision", "f8", "emoji"}, "reach without a token": {"--addr", "0.0.0.0:0", "emoji"},
		"no such thing": {"--addr", "127.0.0.1:0", "nowhere"}, "no such split": {"--addr", "127.0.0.1:0", "--split", "third", "emoji"}, "a weak token": {"--addr", "127.0.0.1:0", "--token-file", weak, "--split", "valid", "emoji"},
		"no file with a token": {"--addr", "127.0.0.1:0", "--token-file", dir, "--split", "valid", "emoji"},
	} {
		if status := run(t.Context(), append([]string{"explore"}, args...), io.Discard, io.Discard); status != 1 && status != 2 {
			t.Errorf("%s: status %d", name, status)
		}
	}
}

// A token is not visible in ps: it comes from a file or the environment, and one among the command's words is refused.
// fault 19.12
func TestTokenIsNoArgument(t *testing.T) {
	t.Setenv("CLIPKIT_ROOT", t.TempDir())
	var said bytes.Buffer
	if status := run(t.Context(), []string{"explore", "--addr", "127.0.0.1:0", "--token", "0123456789abcdefgh", "--split", "valid", "emoji"}, io.Discard, &said); status != 2 || !strings.Contains(said.String(), "--token-file") || strings.Contains(said.String(), "0123456789abcdefgh") {
		t.Errorf("status %d: %s", status, &said)
	}
	t.Setenv("CLIPKIT_TOKEN", "0123456789abcdefgh")
	if said, _ := explorePage(t, `{"text": "红心"}`, "--addr", "127.0.0.1:0", "--split", "valid", "emoji"); !strings.Contains(said, "/0123456789abcdefgh/") {
		t.Error(said)
	}
	if err := os.WriteFile(filepath.Join(os.Getenv("CLIPKIT_ROOT"), "empty"), []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status := run(t.Context(), []string{"explore", "--addr", "127.0.0.1:0", "--token-file", filepath.Join(os.Getenv("CLIPKIT_ROOT"), "empty"), "emoji"}, io.Discard, io.Discard); status != 1 {
		t.Errorf("an empty file with a token: status %d", status)
	}
}

package page

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"clipnb/clipkit/internal/regular"
	"clipnb/clipkit/internal/repo"
)

// Dir is the folder of everything that pages leave.
func Dir() string { return filepath.Join(repo.Experiments(), ".explore") }

// state is what is known of a page that runs; a file that only its owner may read.
type state struct {
	Page  process
	Owner process
	Port  int
	Token string
	Key   string // of what it shows
}

func stateFile(name string, owner process) string {
	return filepath.Join(Dir(), fmt.Sprintf("%s-%d.json", name, owner.PID))
}

// readState gives the state of an owner's page, if its process is there.
func readState(name string, owner process) (s state, ok bool) {
	b, err := regular.ReadFile(stateFile(name, owner), 1<<20)
	if err != nil || json.Unmarshal(b, &s) != nil || s.Owner != owner {
		return s, false
	}
	return s, s.Page.alive()
}

func (s state) write(name string) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(Dir(), ".state-*") // only the user may read it
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), stateFile(name, s.Owner))
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

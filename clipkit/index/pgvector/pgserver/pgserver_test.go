package pgserver

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestKillAndRestart(t *testing.T) {
	s, err := Start("shared_buffers=16MB")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	for _, query := range []string{"create extension vector", "create table t (v vector(2))", "insert into t values ('[1,2]')"} {
		conn, err := pgx.Connect(ctx, s.URL)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(ctx, query); err != nil {
			t.Error(err)
		}
		if err := s.Kill(); err != nil {
			t.Error(err)
		}
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
	}
}

package exchange_test

import (
	"errors"
	"strings"
	"testing"

	"clipnb/clipkit/exchange"
	"clipnb/clipkit/exchange/exchangetest"
)

func TestAloneConforms(t *testing.T) {
	if err := exchangetest.Conforms(exchange.Alone); err != nil {
		t.Error(err)
	}
}

func TestThreadsConform(t *testing.T) {
	for _, n := range []int{1, 2, 3, 8} {
		failed := make(chan error)
		for _, w := range exchangetest.Threads(n) {
			go func() { failed <- exchangetest.Conforms(w) }()
		}
		for range n {
			if err := <-failed; err != nil {
				t.Error(err)
			}
		}
	}
}

// A rank that aborts ends the waiting of the others, with its reason.
func TestThreadsAbort(t *testing.T) {
	ranks, failed := exchangetest.Threads(3), make(chan error)
	for _, w := range ranks[1:] {
		go func() { failed <- w.Sum(make([]float32, 5)) }()
	}
	ranks[0].Abort(errors.New("picture 17 is broken"))
	for range 2 {
		if err := <-failed; !errors.Is(err, exchange.ErrWorld) || !strings.Contains(err.Error(), "picture 17") {
			t.Error(err)
		}
	}
}

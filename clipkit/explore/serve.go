package explore

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"clipnb/clipkit/internal/intake"
)

// Listen opens an address such as "127.0.0.1:8080" or ":8080". One that other machines can reach needs a token.
func Listen(address, token string) (net.Listener, error) {
	if !loopback(address) && token == "" {
		return nil, fmt.Errorf("%w: other machines can reach %q, so it needs a token; give one, or listen on 127.0.0.1", ErrConfig, address)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("explore: listening on %q: %w; choose another port, or 0 for any", address, err)
	}
	return l, nil
}

// Serve answers on l until ctx ends, and then lets what is being answered finish for a second. It speaks plain HTTP: to the world only
// behind a proxy that speaks TLS.
func Serve(ctx context.Context, l net.Listener, h *Handler) error {
	s := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second, // of a request that is not read by its handler; see package intake
		WriteTimeout:      2 * time.Minute,  // an explanation by a large model
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10, // Jupyter's proxy passes its cookies on
		ErrorLog:          log.New(log.Writer(), "explore: ", log.LstdFlags),
	}
	intake.Limit(s, 1024)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("explore: %w", err)
	case <-ctx.Done():
	}
	rest, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.Shutdown(rest); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("explore: %w", err)
	}
	return s.Close()
}

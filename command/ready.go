package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	attempt  = time.Second          // that a probe has for one question
	firstGap = 5 * time.Millisecond // between two questions, growing to
	lastGap  = 200 * time.Millisecond
)

// Dial is a [Probe] for a program that is ready when it accepts connections at addr, as "127.0.0.1:8080".
func Dial(addr string) Probe {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, attempt)
		defer cancel()
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil {
			return fmt.Errorf("%s does not answer: %w", addr, reason(err))
		}
		return conn.Close()
	}
}

// Get is a [Probe] for a program that is ready when it answers a GET of url with a status below 500, by a
// redirect too.
func Get(url string) Probe {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 5*attempt)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		// No connection is kept: the next answer may be another process's.
		transport := &http.Transport{DisableKeepAlives: true}
		res, err := transport.RoundTrip(req)
		if err != nil {
			return fmt.Errorf("%s does not answer: %w", url, reason(err))
		}
		defer res.Body.Close()
		_, _ = io.CopyN(io.Discard, res.Body, 1<<16)
		if res.StatusCode >= 500 {
			return fmt.Errorf("%s answers %s", url, res.Status)
		}
		return nil
	}
}

// reason is what went wrong without the address, which was said before.
func reason(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

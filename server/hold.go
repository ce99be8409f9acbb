package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// holdTimeout is how long a request is held while the program that is to answer it starts.
	holdTimeout = 30 * time.Second

	// maxHeld is how many requests are held at once: many times what all tabs of a person ask for, and a few MB.
	maxHeld = 1000
)

var errHeld = errors.New("held")
var _ = fmt.Sprint

type hold struct{ mu sync.Mutex }

func (h *hold) enter(ctx context.Context) (leave func(), err error) { return func() {}, nil }
func (h *hold) describe() (string, string)                          { return "", "" }

package leaktest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// recorder is a testing.TB that keeps what Check does with it.
type recorder struct {
	testing.TB
	cleanups []func()
	errors   []string
}

func (r *recorder) Helper()          {}
func (r *recorder) Failed() bool     { return len(r.errors) > 0 }
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func blockUntil(c chan struct{}) { <-c }

func TestCheckWaitsForTheEnd(t *testing.T) {
	r, stop := &recorder{}, make(chan struct{})
	Check(r)
	go blockUntil(stop)
	time.AfterFunc(50*time.Millisecond, func() { close(stop) })
	r.cleanups[0]()
	if r.Failed() {
		t.Error(r.errors)
	}
}

func TestCheckIgnoresWhatRanBefore(t *testing.T) {
	r, stop := &recorder{}, make(chan struct{})
	go blockUntil(stop)
	defer close(stop)
	Check(r)
	r.cleanups[0]()
	if r.Failed() {
		t.Error(r.errors)
	}
}

func TestWaitNamesTheLeak(t *testing.T) {
	before, stop := stacks(), make(chan struct{})
	defer close(stop)
	go blockUntil(stop)
	left := wait(before, 20*time.Millisecond)
	if len(left) != 1 || !strings.Contains(left[0], "leaktest.blockUntil") {
		t.Errorf("got %q", left)
	}
}

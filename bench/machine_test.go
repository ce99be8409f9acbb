package main

import (
	"os"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	line := "42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 100 20 3 1 20 0 9 0 12345 1000000 256 18446744073709551615"
	p, err := parseStat(line)
	if err != nil {
		t.Fatal(err)
	}
	want := process{pid: 42, parent: 7, cpu: 1240 * time.Millisecond, rss: 256 * int64(os.Getpagesize())}
	if p != want {
		t.Errorf("got %+v, want %+v", p, want)
	}
	for _, line := range []string{"", "42", "42 (a) S 7", ")(", "x (a) S 7 42 42 0 -1 4194560 1 2 3 4 100 20 3 1 20 0 9 0 12345 1000000 256"} {
		if p, err := parseStat(line); err == nil {
			t.Errorf("%q: got %+v", line, p)
		}
	}
}

func TestTree(t *testing.T) {
	all := []process{{1, 0, 1, 1}, {2, 1, 10, 10}, {3, 2, 100, 100}, {4, 1, 1000, 1000}}
	if got, want := tree(all, 2), (usage{110, 110}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := tree(all, 9); got != (usage{}) {
		t.Errorf("of none: got %v", got)
	}
}

func TestNoise(t *testing.T) {
	before, err := parseClock("cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1\n")
	if err != nil {
		t.Fatal(err)
	}
	after, err := parseClock("cpu  150 0 120 890 20 5 5 10 0 0\n")
	if err != nil {
		t.Fatal(err)
	}
	before.ours, after.ours = time.Second, time.Second+600*time.Millisecond
	n := after.since(before) // 2 s in all: 0.8 s busy, 0.6 s of it ours, and 0.1 s stolen
	if n.others != 0.1 || n.steal != 0.05 || !n.busy() {
		t.Errorf("got %+v", n)
	}
	if (noise{others: 0.04, steal: 0.01}).busy() {
		t.Error("a quiet run is called busy")
	}
	if _, err := parseClock("intr 1 2 3"); err == nil {
		t.Error("what is no CPU line was read")
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 100, 2}, 3},
	} {
		if got := median(c.values); got != c.want {
			t.Errorf("%v: got %v, want %v", c.values, got, c.want)
		}
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("of none: got %v", got)
	}
}

func TestFormat(t *testing.T) {
	for v, want := range map[float64]string{0.516: "0.52", 22.44: "22.4", 1904.4: "1904", math.NaN(): "–"} {
		if got := format(v); got != want {
			t.Errorf("%v: got %q, want %q", v, got, want)
		}
	}
}

// sample is a run of two peers at two sizes.
func sample() *report {
	of := func(peer string, modules int, leaf float64) *result {
		return &result{peer: peer, modules: modules, samples: map[string][]float64{leafRow: {leaf, leaf + 1, leaf + 2}, coldStart: {100 * leaf}}}
	}
	r := &report{date: "2026-01-02", machine: "2 cores", command: "make bench", versions: []string{"A 1.0", "B <2>"}}
	r.results = []*result{of("A", 100, 4), of("B <2>", 100, 20), of("A", 1000, 5), of("B <2>", 1000, 30)}
	r.results[1].lost = map[string]bool{leafRow: true}
	r.results[1].noise = noise{others: 0.5, load: "1 2 3"}
	r.results[2].failed = []string{"A, 1000 modules, root: it\nfailed"}
	r.fanouts = []fanout{{100, delivery{1.5, 20}, delivery{1, 16}}}
	r.facts = []fact{{"binary", 17}}
	return r
}

func TestMarkdown(t *testing.T) {
	var b strings.Builder
	sample().markdown(&b)
	for _, want := range []string{
		"2026-01-02, 2 cores. Versions: A 1.0, B <2>.\n",
		"\n## 100 modules\n\n| | A | B <2> |\n| --- | ---: | ---: |\n",
		"| leaf component, in place, ms | 5.00 | 21.0 * |\n",
		"| leaf component, in place, ms | 6.00 | 31.0 |\n",
		"| root component, rename, ms | – | – |\n",
		"\\* The state of the page was lost.",
		"- B <2>: other programs 50% of the cores, steal 0%, load 1 2 3; **busy",
		"- not measured: A, 1000 modules, root: it failed\n",
		"\n**This run was not finished.**\n",
		"| 100 | 1.50 | 1.00 | 20.0 | 16.0 |\n",
		"| binary | 17.0 |\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestGoals(t *testing.T) {
	r := &report{
		results: []*result{
			{peer: "devserve", modules: 1000, samples: map[string][]float64{leafRow: {10}, secondStart: {700}, row("root", "rename"): {160}, idleMemory: {50}, editedMemory: {60}}},
			{peer: "Bun", modules: 1000, samples: map[string][]float64{leafRow: {20}, secondStart: {1000}, row("root", "rename"): {238}}},
			{peer: "Vite", modules: 1000, samples: map[string][]float64{row("root", "rename"): {200}}},
			{peer: floor, modules: 1000, samples: map[string][]float64{secondStart: {500}, row("root", "rename"): {1}}},
			{peer: "devserve", modules: 5000, samples: map[string][]float64{leafRow: {14}, secondStart: {800}}},
			{peer: "Bun", modules: 5000, samples: map[string][]float64{secondStart: {1000}}},
		},
		fanouts: []fanout{{100, delivery{1, 40}, delivery{1, 30}}, {1000, delivery{3, 20}, delivery{2, 16}}},
		facts:   []fact{{firstAnswer, 31}, {"binary, stripped, MiB", 17}},
	}
	var b strings.Builder
	r.writeGoals(&b)
	want := `
## Goals

Ratios of medians of this run, and single figures, beside what they may be at most.

| | 1000 modules | 5000 modules |
| --- | ---: | ---: |
| leaf component, in place / Bun's | 0.50 ≤ 0.5 ✓ |  |
| root component, rename / the best peer's | 0.80 ≤ 0.8 ✓ |  |
| second start to page / Bun's | 0.70 ≤ 1 ✓ | 0.80 ≤ 0.75 ✗ |
| second start to page / the floor | 1.40 ≤ 1.15 ✗ |  |
| memory after the edits, MiB / before | 1.20 ≤ 1.1 ✗ |  |
| leaf component, in place / with 1000 modules |  | 1.40 ≤ 1.3 ✗ |

- last delivery to 1000 streams / bare net/http's: 1.50 ≤ 1.5 ✓
- memory of one of 1000 streams, KiB: 20.0 ≤ 32 ✓
- devserve on an empty site: first answer after its start, ms: 31.0 ≤ 30 ✗
`
	if b.String() != want {
		t.Errorf("got %s\nwant %s", b.String(), want)
	}
	b.Reset()
	if (&report{}).writeGoals(&b); b.Len() > 0 {
		t.Errorf("of nothing: got %s", b.String())
	}
}

func TestLegs(t *testing.T) {
	var status struct{ Trace []trace }
	const told = `{"trace": [{"seen": 1000.5, "settled": 3, "began": 3.1, "compiled": 5, "sent": 5.5, "pages": [{"received": 6, "run": 8, "painted": 12, "reported": 13}]}]}`
	if err := json.Unmarshal([]byte(told), &status); err != nil {
		t.Fatal(err)
	}
	got := status.Trace[0].took(time.UnixMilli(1000))
	if want := []float64{0.5, 3, 2, 0.5, 0.5, 2, 4}; len(want) != len(legs) || !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestPlot(t *testing.T) {
	var b bytes.Buffer
	sample().plot(&b)
	svg := b.String()
	for d := xml.NewDecoder(&b); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
	}
	for want, n := range map[string]int{`fill="none"`: 4, `r="4"`: 8, "B &lt;2&gt;</text>": 2, "NaN": 0, "Inf": 0} {
		if got := strings.Count(svg, want); got != n {
			t.Errorf("%q: got %d times, want %d, in\n%s", want, got, n, svg)
		}
	}
}

func TestDecades(t *testing.T) {
	s := decades([]float64{3, 0, 250}, 0, 300)
	for v, want := range map[float64]float64{1: 0, 10: 100, 1000: 300} {
		if got := s.at(v); math.Abs(got-want) > 1e-9 {
			t.Errorf("%v: got %v, want %v", v, got, want)
		}
	}
	for _, values := range [][]float64{nil, {10}} {
		if s := decades(values, 0, 1); s.low >= s.high {
			t.Errorf("%v: got %v", values, s)
		}
	}
}

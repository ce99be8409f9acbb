package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// The rows of the table.
const (
	errorShown   = "error shown, ms"
	errorFixed   = "error fixed, ms"
	coldStart    = "cold start to page, ms"
	secondStart  = "second start to page, ms"
	coldCPU      = "server CPU of a cold start, s"
	leafCPU      = "server CPU of a leaf edit, ms"
	idleMemory   = "memory of the server, MiB"
	editedMemory = "memory after the edits, MiB"
)

var edited = map[string]string{
	"leaf":   "leaf component",
	"root":   "root component",
	"shared": "module that a tenth import",
	"style":  "style sheet",
}

func row(edit, save string) string { return edited[edit] + ", " + save + ", ms" }

var leafRow = row("leaf", "in place")

// rows are all of them, in order.
func rows() (all []string) {
	for _, e := range []string{"leaf", "root", "shared", "style"} {
		for _, save := range saves {
			all = append(all, row(e, save.name))
		}
	}
	return append(all, errorShown, errorFixed, coldStart, secondStart, coldCPU, leafCPU, idleMemory, editedMemory)
}

// median is that of the values, NaN of none. It leaves them in order.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	slices.Sort(values)
	half := len(values) / 2
	if len(values)%2 == 1 {
		return values[half]
	}
	return (values[half-1] + values[half]) / 2
}

// format writes three digits, as no measurement of ours has more.
func format(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// A report is a run, whole or as far as it got.
type report struct {
	date, machine, command string
	versions               []string
	results                []*result
	facts                  []fact
	fanouts                []fanout
	failed                 []string // what else could not be measured, and why
	whole                  bool
}

// sizes are those of the results, in order.
func (r *report) sizes() (all []int) {
	for _, x := range r.results {
		all = append(all, x.modules)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (r *report) of(modules int) (some []*result) {
	for _, x := range r.results {
		if x.modules == modules {
			some = append(some, x)
		}
	}
	return some
}

// markdown writes the report.
func (r *report) markdown(w io.Writer) {
	fmt.Fprintf(w, "# Benchmarks\n\n%s, %s. Versions: %s.\n\n", r.date, r.machine, strings.Join(r.versions, ", "))
	fmt.Fprintf(w, "Made by `%s`. Medians, from the write of the file to the DOM of a page in Chromium. `bench/README.md` tells how it is measured.\n", r.command)
	if !r.whole {
		fmt.Fprint(w, "\n**This run was not finished.**\n")
	}
	for _, n := range r.sizes() {
		some := r.of(n)
		fmt.Fprintf(w, "\n## %d modules\n\n|", n)
		for _, x := range some {
			fmt.Fprintf(w, " | %s", x.peer)
		}
		fmt.Fprintf(w, " |\n| ---%s |\n", strings.Repeat(" | ---:", len(some)))
		reset := false
		for _, row := range rows() {
			fmt.Fprintf(w, "| %s", row)
			for _, x := range some {
				fmt.Fprintf(w, " | %s", format(median(x.samples[row])))
				if x.lost[row] {
					reset = true
					fmt.Fprint(w, " *")
				}
			}
			fmt.Fprint(w, " |\n")
		}
		if reset {
			fmt.Fprint(w, "\n\\* The state of the page was lost.\n")
		}
		fmt.Fprint(w, "\nBeside the measurement:\n\n")
		for _, x := range some {
			if x.noise.load != "" {
				fmt.Fprintf(w, "- %s: %s%s\n", x.peer, x.noise, map[bool]string{true: "; **busy: do not trust these figures**"}[x.noise.busy()])
			}
			for _, f := range x.failed {
				fmt.Fprintf(w, "- not measured: %s\n", strings.ReplaceAll(f, "\n", " "))
			}
		}
	}
	r.writeLegs(w)
	if len(r.results) > 0 {
		fmt.Fprint(w, "\n![Leaf edits and cold starts by the size of the app](benchmarks.svg)\n")
	}
	if len(r.fanouts) > 0 {
		fmt.Fprint(w, "\n## An event to many streams\n\n| streams | last delivery, ms | bare net/http, ms | memory a stream, KiB | bare, KiB |\n| ---: | ---: | ---: | ---: | ---: |\n")
		for _, f := range r.fanouts {
			fmt.Fprintf(w, "| %d | %s | %s | %s | %s |\n", f.streams, format(f.hub.last), format(f.bare.last), format(f.hub.memory), format(f.bare.memory))
		}
	}
	if len(r.facts) > 0 {
		fmt.Fprint(w, "\n## Other figures\n\n| | |\n| --- | ---: |\n")
		for _, f := range r.facts {
			fmt.Fprintf(w, "| %s | %s |\n", f.name, format(f.value))
		}
	}
	if len(r.failed) > 0 {
		fmt.Fprint(w, "\n")
	}
	for _, f := range r.failed {
		fmt.Fprintf(w, "- not measured: %s\n", strings.ReplaceAll(f, "\n", " "))
	}
	r.writeGoals(w)
}

// writeLegs writes what devserve's traces say.
func (r *report) writeLegs(w io.Writer) {
	if !slices.ContainsFunc(r.results, func(x *result) bool { return len(x.samples[legs[0]]) > 0 }) {
		return
	}
	fmt.Fprint(w, "\n## Where a leaf edit's milliseconds go\n\nMedians of each leg, in ms, as `devserve --trace` has them, in edits beside those above.\n\n")
	r.tableBySize(w, legs, func(leg string, modules int) string { return format(r.median("devserve", modules, leg)) })
}

package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// A goal is a figure or a ratio of two, and its bound.
type goal struct {
	name            string
	modules         int // 0: whatever the size
	measured, bound float64
}

func (g goal) String() string {
	return fmt.Sprintf("%s ≤ %g %s", format(g.measured), g.bound, map[bool]string{true: "✓", false: "✗"}[g.measured <= g.bound])
}

// goals are all that can be computed from what was measured.
func (r *report) goals() (all []goal) {
	add := func(name string, modules int, measured, bound float64) {
		if !math.IsNaN(measured) && !math.IsInf(measured, 0) {
			all = append(all, goal{name, modules, measured, bound})
		}
	}
	sizes := r.sizes()
	for _, n := range sizes {
		ours := func(row string) float64 { return r.median("devserve", n, row) }
		compare := func(row, whose string, theirs, bound float64) {
			add(strings.TrimSuffix(row, ", ms")+" / "+whose, n, ours(row)/theirs, bound)
		}
		bun := func(row string, bound float64) { compare(row, "Bun's", r.median("Bun", n, row), bound) }
		edits := func(name string, goal func(row string)) {
			for _, save := range saves {
				goal(row(name, save.name))
			}
		}
		edits("leaf", func(row string) { bun(row, 0.5) })
		edits("root", func(row string) { compare(row, "the best peer's", r.best(n, row), 0.8) })
		edits("shared", func(row string) { bun(row, 0.6) })
		edits("style", func(row string) { bun(row, 0.5) })
		bun(errorShown, 0.7)
		bun(errorFixed, 0.5)
		cold, second := 0.9, 1.0
		if n >= 5000 {
			cold, second = 0.85, 0.75
		}
		bun(coldStart, cold)
		bun(secondStart, second)
		compare(secondStart, "the floor", r.median(floor, n, secondStart), 1.15)
		bun(leafCPU, 1)
		bun(editedMemory, 1.5)
		compare(editedMemory, "before", ours(idleMemory), 1.1)
		if least := sizes[0]; n > least {
			edits("leaf", func(row string) {
				compare(row, fmt.Sprintf("with %d modules", least), r.median("devserve", least, row), 1.3)
			})
		}
	}
	if len(r.fanouts) > 0 {
		f := slices.MaxFunc(r.fanouts, func(a, b fanout) int { return a.streams - b.streams })
		add(fmt.Sprintf("last delivery to %d streams / bare net/http's", f.streams), 0, f.hub.last/f.bare.last, 1.5)
		add(fmt.Sprintf("memory of one of %d streams, KiB", f.streams), 0, f.hub.memory, 32)
	}
	for _, f := range r.facts {
		if bound, ok := map[string]float64{firstAnswer: 30, scriptSize: 15000}[f.name]; ok {
			add(f.name, 0, f.value, bound)
		}
	}
	return all
}

// median is that of a row, NaN if it was not measured.
func (r *report) median(peer string, modules int, row string) float64 {
	for _, x := range r.of(modules) {
		if x.peer == peer {
			return median(x.samples[row])
		}
	}
	return math.NaN()
}

// best is the lowest median of a row that a peer has, NaN if none has one.
func (r *report) best(modules int, row string) float64 {
	var medians []float64
	for _, x := range r.of(modules) {
		if x.peer != "devserve" && x.peer != floor && len(x.samples[row]) > 0 {
			medians = append(medians, median(x.samples[row]))
		}
	}
	if len(medians) == 0 {
		return math.NaN()
	}
	return slices.Min(medians)
}

// writeGoals writes a table with a column for each size, and below it the goals that have none.
func (r *report) writeGoals(w io.Writer) {
	var names, others []string
	cells := map[string]map[int]goal{}
	for _, g := range r.goals() {
		if g.modules == 0 {
			others = append(others, fmt.Sprintf("- %s: %s\n", g.name, g))
			continue
		}
		if cells[g.name] == nil {
			cells[g.name] = map[int]goal{}
			names = append(names, g.name)
		}
		cells[g.name][g.modules] = g
	}
	if len(names)+len(others) == 0 {
		return
	}
	fmt.Fprint(w, "\n## Goals\n\nRatios of medians of this run, and single figures, beside what they may be at most.\n\n")
	if len(names) > 0 {
		r.tableBySize(w, names, func(name string, modules int) string {
			if g, ok := cells[name][modules]; ok {
				return g.String()
			}
			return ""
		})
		fmt.Fprintln(w)
	}
	fmt.Fprint(w, strings.Join(others, ""))
}

// tableBySize writes a table with a column for each size.
func (r *report) tableBySize(w io.Writer, names []string, cell func(name string, modules int) string) {
	fmt.Fprint(w, "|")
	for _, n := range r.sizes() {
		fmt.Fprintf(w, " | %d modules", n)
	}
	fmt.Fprintf(w, " |\n| ---%s |\n", strings.Repeat(" | ---:", len(r.sizes())))
	for _, name := range names {
		fmt.Fprintf(w, "| %s", name)
		for _, n := range r.sizes() {
			fmt.Fprintf(w, " | %s", cell(name, n))
		}
		fmt.Fprint(w, " |\n")
	}
}

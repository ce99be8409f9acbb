package main

import (
	"cmp"
	"fmt"
	"html"
	"io"
	"math"
	"slices"
)

// colours tell the peers apart, also for those who see fewer colours: https://jfly.uni-koeln.de/color/
var colours = []string{"#d55e00", "#0072b2", "#009e73", "#cc79a7", "#b8860b", "#4a9fd8", "#888888"}

// plot writes two charts as one SVG: leaf edits, and cold starts, each by the number of modules, with both axes logarithmic.
func (r *report) plot(w io.Writer) {
	fmt.Fprint(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 400" font-family="system-ui, sans-serif" font-size="13">
<style>
rect { fill: #fff } text { fill: #444 } .title { fill: #111; font-size: 15px; font-weight: 600 } .grid { stroke: #e4e4e4 }
@media (prefers-color-scheme: dark) { rect { fill: #161616 } text { fill: #bbb } .title { fill: #eee } .grid { stroke: #333 } }
</style>
<rect width="960" height="400"/>
`)
	r.chart(w, 60, leafRow)
	r.chart(w, 540, coldStart)
	fmt.Fprintln(w, "</svg>")
}

// peers are the names in the results, in the order in which they came.
func (r *report) peers() (names []string) {
	known := map[string]bool{}
	for _, x := range r.results {
		if !known[x.peer] {
			known[x.peer] = true
			names = append(names, x.peer)
		}
	}
	return names
}

// A scale maps values to places on a logarithmic axis.
type scale struct{ low, high, from, to float64 }

func (s scale) at(v float64) float64 {
	return s.from + (s.to-s.from)*(math.Log10(v)-math.Log10(s.low))/(math.Log10(s.high)-math.Log10(s.low))
}

// decades is the scale from the power of ten below the values to that above them.
func decades(values []float64, from, to float64) scale {
	low, high := math.Inf(1), 0.0
	for _, v := range values {
		if v > 0 {
			low, high = min(low, v), max(high, v)
		}
	}
	if high == 0 {
		return scale{1, 10, from, to}
	}
	low, high = math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high)))
	if low == high {
		high *= 10
	}
	return scale{low, high, from, to}
}

// chart draws a row of the table, with its left upper corner at left, and the name of each peer where its line ends.
func (r *report) chart(w io.Writer, left float64, row string) {
	const top, bottom, width, line = 60, 340, 290, 16
	var values, sizes []float64
	for _, x := range r.results {
		if v := median(x.samples[row]); v > 0 {
			values = append(values, v)
			sizes = append(sizes, float64(x.modules))
		}
	}
	xs, ys := decades(sizes, left, left+width), decades(values, bottom, top)
	fmt.Fprintf(w, `<text x="%.0f" y="32" class="title">%s</text>`+"\n", left, html.EscapeString(row))
	for v := ys.low; v <= ys.high*1.01; v *= 10 {
		y := ys.at(v)
		fmt.Fprintf(w, `<path d="M%.0f %.1fh%d" class="grid"/><text x="%.0f" y="%.1f" text-anchor="end">%.0f</text>`+"\n", left, y, width, left-8, y+4, v)
	}
	for _, n := range r.sizes() {
		fmt.Fprintf(w, `<text x="%.1f" y="%d" text-anchor="middle">%d</text>`+"\n", xs.at(float64(n)), bottom+20, n)
	}
	fmt.Fprintf(w, `<text x="%.0f" y="%d" text-anchor="middle">modules</text>`+"\n", left+width/2, bottom+42)
	type label struct {
		name, colour string
		x, y         float64
	}
	var labels []label
	for i, name := range r.peers() {
		colour, path, end := colours[i%len(colours)], "", label{}
		for _, n := range r.sizes() {
			v := r.median(name, n, row)
			if math.IsNaN(v) || v <= 0 {
				continue
			}
			x, y := xs.at(float64(n)), ys.at(v)
			path += fmt.Sprintf("%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[path == ""], x, y)
			end = label{name, colour, x, y}
			fmt.Fprintf(w, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s"><title>%s: %s</title></circle>`+"\n", x, y, colour, html.EscapeString(name), format(v))
		}
		if path != "" {
			fmt.Fprintf(w, `<path d="%s" fill="none" stroke="%s" stroke-width="%s"/>`+"\n", path, colour, map[bool]string{true: "4", false: "2"}[name == "devserve"])
			labels = append(labels, end)
		}
	}
	slices.SortFunc(labels, func(a, b label) int { return cmp.Compare(a.y, b.y) })
	for i := range labels {
		if l := &labels[i]; i > 0 {
			l.y = max(l.y, labels[i-1].y+line) // names do not lie on each other
		}
		fmt.Fprintf(w, `<text x="%.1f" y="%.1f" style="fill: %s">%s</text>`+"\n", labels[i].x+10, labels[i].y+4, labels[i].colour, html.EscapeString(labels[i].name))
	}
}

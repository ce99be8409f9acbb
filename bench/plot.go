package main

import (
	"fmt"
	"html"
	"io"
	"math"
)

// colours tell the peers apart, also for those who see fewer colours: https://jfly.uni-koeln.de/color/
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555"}

// plot writes two charts as one SVG: leaf edits, and cold starts, each by the number of modules, with both axes logarithmic.
func (r *report) plot(w io.Writer) {
	const width, height = 900, 380
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(w, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", width, height)
	r.chart(w, 60, leafRow)
	r.chart(w, 420, coldStart)
	for i, name := range r.peers() {
		y := 60 + 20*i
		fmt.Fprintf(w, `<circle cx="780" cy="%d" r="5" fill="%s"/><text x="792" y="%d">%s</text>`+"\n", y, colours[i%len(colours)], y+4, html.EscapeString(name))
	}
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

// chart draws a row of the table, with its left upper corner at left.
func (r *report) chart(w io.Writer, left float64, row string) {
	const top, bottom, width = 50, 330, 280
	var values, sizes []float64
	for _, x := range r.results {
		if v := median(x.samples[row]); !math.IsNaN(v) {
			values = append(values, v)
			sizes = append(sizes, float64(x.modules))
		}
	}
	xs, ys := decades(sizes, left, left+width), decades(values, bottom, top)
	fmt.Fprintf(w, `<text x="%.0f" y="30" font-size="14">%s</text>`+"\n", left, html.EscapeString(row))
	for v := ys.low; v <= ys.high*1.01; v *= 10 {
		y := ys.at(v)
		fmt.Fprintf(w, `<path d="M%.0f %.1fh%d" stroke="#ddd"/><text x="%.0f" y="%.1f" text-anchor="end">%.0f</text>`+"\n", left, y, width, left-6, y+4, v)
	}
	for _, n := range r.sizes() {
		fmt.Fprintf(w, `<text x="%.1f" y="%d" text-anchor="middle">%d</text>`+"\n", xs.at(float64(n)), bottom+18, n)
	}
	fmt.Fprintf(w, `<text x="%.0f" y="%d" text-anchor="middle">modules</text>`+"\n", left+width/2, bottom+36)
	for i, name := range r.peers() {
		colour, path := colours[i%len(colours)], ""
		for _, n := range r.sizes() {
			for _, x := range r.of(n) {
				v := median(x.samples[row])
				if x.peer != name || math.IsNaN(v) || v <= 0 {
					continue
				}
				x, y := xs.at(float64(n)), ys.at(v)
				path += fmt.Sprintf("%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[path == ""], x, y)
				fmt.Fprintf(w, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s"><title>%s: %s</title></circle>`+"\n", x, y, colour, html.EscapeString(name), format(v))
			}
		}
		if path != "" {
			fmt.Fprintf(w, `<path d="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", path, colour)
		}
	}
}

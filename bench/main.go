// Command bench measures devserve beside other development servers: the same React app, one Chromium, one after the other.
//
//	make bench                              everything, at 1,000, 5,000 and 10,000 modules: hours
//	go run ./bench -modules 50 -edits 3     a quick look
//
// It prints the figures as Markdown; -write puts them into docs/. It runs on Linux, whose /proc it reads.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	modules := flag.String("modules", "1000,5000,10000", "sizes of the app")
	edits := flag.Int("edits", 50, "edits of each kind, beside one that warms up; about 500 in all")
	starts := flag.Int("starts", 3, "cold starts, each with a second one, beside one that warms up")
	pause := flag.Duration("pause", 150*time.Millisecond, "between edits")
	only := flag.String("peers", "", "names of those to measure, as \"devserve,Bun\" (all)")
	growth := flag.String("growth", "", "names of those of them to measure beyond the first size: the others take long (all)")
	streams := flag.String("streams", "100,1000,10000", "numbers of event streams; empty: none")
	write := flag.Bool("write", false, "write docs/benchmarks.md and docs/benchmarks.svg")
	kind := flag.String("stream", "", "used by the program itself")
	flag.Parse()
	if *kind != "" {
		return serveStreams(*kind)
	}
	sizes, err := numbers(*modules)
	if err != nil {
		return err
	}
	counts, err := numbers(*streams)
	if err != nil {
		return err
	}
	// The first Ctrl+C ends what runs, and there is nothing for a second one to do.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root, err := repository(ctx)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	t := tools{bench: filepath.Join(root, "bench"), work: work}
	if t.devserve, err = build(ctx, work); err != nil {
		return err
	}
	r := &report{
		date:     time.Now().UTC().Format(time.DateOnly),
		machine:  machine(),
		command:  "make bench",
		versions: []string{runtime.Version()},
	}
	if args := os.Args[1:]; !slices.Equal(args, []string{"-write"}) {
		r.command = strings.TrimSpace("go run ./bench " + strings.Join(args, " "))
	}
	chosen := named(peers, *only)
	for _, p := range chosen {
		r.versions = append(r.versions, p.name+" "+p.version(t))
	}
	r.versions = append(r.versions, "React "+t.installed("react"))

	err = r.run(ctx, t, plan{*edits, *starts, *pause}, chosen, named(chosen, *growth), sizes, counts, func() error {
		if !*write {
			return nil
		}
		docs := filepath.Join(root, "docs", "benchmarks")
		return errors.Join(create(docs+".md", r.markdown), create(docs+".svg", r.plot))
	})
	r.markdown(os.Stdout)
	return err
}

// named returns those of all that a list with commas names, or all.
func named(all []peer, list string) []peer {
	if list == "" {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(p peer) bool { return !slices.Contains(strings.Split(list, ","), p.name) })
}

// run measures everything, and saves the report after each part of it, so that an end before the last loses little.
func (r *report) run(ctx context.Context, t tools, p plan, chosen, growth []peer, sizes, streams []int, save func() error) error {
	add := func(x *result) error {
		r.results = append(r.results, progress(x))
		return errors.Join(context.Cause(ctx), save())
	}
	for i, n := range sizes {
		if i > 0 {
			chosen = growth
		}
		for _, peer := range chosen {
			// Each has an app of its own, so that none finds what another left behind.
			a, err := newApp(t, n)
			if err != nil {
				return err
			}
			if err := add(p.measure(ctx, t, peer, a)); err != nil {
				return err
			}
		}
		a, err := newApp(t, n)
		if err != nil {
			return err
		}
		if err := add(p.floor(ctx, t, a)); err != nil {
			return err
		}
	}
	for _, n := range streams {
		f, err := fanOut(ctx, n, p.edits)
		if err != nil {
			r.failed = append(r.failed, fmt.Sprintf("%d streams: %v", n, err))
			continue
		}
		r.fanouts = append(r.fanouts, f)
	}
	for _, measure := range []func() ([]fact, error){
		t.sizes,
		func() ([]fact, error) { return firstAnswers(ctx, t, p.starts) },
		middlewareCost,
	} {
		facts, err := measure()
		if err != nil {
			r.failed = append(r.failed, err.Error())
		}
		r.facts = append(r.facts, facts...)
	}
	r.whole = ctx.Err() == nil
	return errors.Join(context.Cause(ctx), save())
}

// newApp writes an app in place of the one before.
func newApp(t tools, modules int) (*app, error) {
	dir := filepath.Join(t.work, "app")
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	return generate(dir, filepath.Join(t.bench, "node_modules"), modules)
}

// progress says on standard error what is done, and what went wrong.
func progress(r *result) *result {
	fmt.Fprintf(os.Stderr, "%d modules, %s: leaf %s ms, cold start %s ms", r.modules, r.peer, format(median(r.samples[leafRow])), format(median(r.samples[coldStart])))
	if r.noise.busy() {
		fmt.Fprintf(os.Stderr, "; BUSY: %s", r.noise)
	}
	fmt.Fprintln(os.Stderr)
	for _, f := range r.failed {
		fmt.Fprintln(os.Stderr, "not measured:", f)
	}
	return r
}

// create writes a file by one of the report's methods.
func create(name string, write func(io.Writer)) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	write(f)
	return f.Close()
}

// repository is the folder of our go.mod.
func repository(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/devserve/devserve").Output()
	if err != nil {
		return "", fmt.Errorf("bench: to be run in the repository: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// numbers reads a list of numbers with commas between.
func numbers(list string) (all []int, err error) {
	for s := range strings.SplitSeq(list, ",") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("bench: %q is no number above 0", s)
		}
		all = append(all, n)
	}
	return all, nil
}

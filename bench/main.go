// Command bench measures devserve beside other development servers: the same React app, one Chromium, one after the other.
//
//	make bench                              everything, at 1,000, 5,000 and 10,000 modules: hours
//	go run ./bench -modules 50 -edits 3     a quick look
//
// It prints the figures as Markdown; -write puts them into docs/. It runs on Linux, whose /proc it reads.
package main

import (
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
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
	starts := flag.Int("starts", 3, "cold starts, each with a second one")
	pause := flag.Duration("pause", 150*time.Millisecond, "between edits")
	only := flag.String("peers", "", "names of those to measure, as \"devserve,Bun\" (all)")
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
	root, err := repository()
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	t := tools{bench: filepath.Join(root, "bench")}
	if t.devserve, err = build(work); err != nil {
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
	chosen := peers
	if *only != "" {
		chosen = slices.DeleteFunc(slices.Clone(peers), func(p peer) bool { return !slices.Contains(strings.Split(*only, ","), p.name) })
	}
	for _, p := range chosen {
		r.versions = append(r.versions, p.name+" "+p.version(t))
	}
	r.versions = append(r.versions, "React "+t.installed("react"))

	browser, stop, err := startBrowser()
	if err != nil {
		return err
	}
	defer stop()
	p := plan{*edits, *starts, *pause}
	for _, n := range sizes {
		for _, peer := range chosen {
			// Each has an app of its own, so that none finds what another left behind.
			a, err := newApp(work, t, n)
			if err != nil {
				return err
			}
			r.results = append(r.results, progress(p.measure(browser, t, peer, a)))
		}
		a, err := newApp(work, t, n)
		if err != nil {
			return err
		}
		r.results = append(r.results, progress(p.floor(browser, t, a)))
	}
	for _, n := range counts {
		f, err := fanOut(n, *edits)
		if err != nil {
			return err
		}
		r.fanouts = append(r.fanouts, f)
	}
	if r.facts, err = facts(t, root, work, *starts); err != nil {
		return err
	}
	r.markdown(os.Stdout)
	if !*write {
		return nil
	}
	return errors.Join(
		create(filepath.Join(root, "docs", "benchmarks.md"), r.markdown),
		create(filepath.Join(root, "docs", "benchmarks.svg"), r.plot),
	)
}

// newApp writes an app in place of the one before.
func newApp(work string, t tools, modules int) (*app, error) {
	dir := filepath.Join(work, "app")
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

// facts are the figures that depend on no app.
func facts(t tools, root, work string, starts int) ([][2]string, error) {
	info, err := os.Stat(t.devserve)
	if err != nil {
		return nil, err
	}
	script, err := os.ReadFile(filepath.Join(root, "client", "dist", "client.js"))
	if err != nil {
		return nil, err
	}
	var length counter
	z, err := gzip.NewWriterLevel(&length, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(script); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	empty := peers[0]
	dir := filepath.Join(work, "empty")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	var took []float64
	for range 3 * starts {
		s, err := empty.start(t, &app{dir: dir})
		if err != nil {
			return nil, err
		}
		response, err := http.Get(s.url)
		took = append(took, ms(time.Since(s.begun)))
		if err == nil {
			response.Body.Close()
		}
		s.stop()
		if err != nil {
			return nil, err
		}
	}
	return [][2]string{
		{"devserve on an empty site: first answer after its start, ms", format(median(took))},
		{"binary, stripped, MiB", format(mib(info.Size()))},
		{"client script, gzipped, bytes", strconv.Itoa(int(length))},
	}, nil
}

// A counter counts the bytes written to it.
type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
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
func repository() (string, error) {
	out, err := exec.CommandContext(context.Background(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/devserve/devserve").Output()
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

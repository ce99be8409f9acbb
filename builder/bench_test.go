package builder

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/evanw/esbuild/pkg/api"
	"golang.org/x/tools/txtar"
)

// generate writes a site of n TSX modules, each of about 40 lines, in a tree: every module
// imports the next ten of its level and one that all share.
func generate(tb testing.TB, n int) *txtar.Archive {
	a := &txtar.Archive{}
	add := func(name, data string) { a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(data)}) }
	add("package.json", `{"dependencies": {"react": "19"}}`)
	add("node_modules/react/package.json", `{"name": "react"}`)
	add("node_modules/react/index.js", `exports.useState = (v) => [v, () => {}]`)
	add("node_modules/react/jsx-dev-runtime.js", `exports.jsxDEV = (...a) => a`)
	add("src/shared.ts", "export const shared = (s: string): string => s.trim()\n")
	add("src/style.css", ".a { z-index: 0 }\n")
	add("src/main.tsx", "import \"./style.css\"\nimport { C0 } from \"./m0/c0\"\nexport default <C0 title=\"all\" />\n")
	for i := range n {
		var src strings.Builder
		src.WriteString("import { useState } from \"react\"\nimport { shared } from \"../shared\"\n")
		var children []int
		for c := 10*i + 1; c <= 10*i+10 && c < n; c++ {
			fmt.Fprintf(&src, "import { C%d } from \"../m%d/c%d\"\n", c, c/100, c)
			children = append(children, c)
		}
		fmt.Fprintf(&src, "\ninterface Props { title: string; size?: number }\n\nexport function C%d({ title, size = 1 }: Props) {\n", i)
		src.WriteString("  const [open, setOpen] = useState<boolean>(false)\n  const [count, setCount] = useState<number>(size)\n")
		for j := range 8 {
			fmt.Fprintf(&src, "  const label%d = shared(`${title} %d of ${count}`) as string\n", j, j)
		}
		src.WriteString("  return (\n    <section className={open ? \"open\" : \"closed\"}>\n      <h2 onClick={() => setOpen(!open)}>{label0}</h2>\n")
		for j := range 8 {
			fmt.Fprintf(&src, "      <p key=\"%d\" onClick={() => setCount(count + %d)}>{label%d}</p>\n", j, j, j)
		}
		for _, c := range children {
			fmt.Fprintf(&src, "      <C%d title={title} size={count} />\n", c)
		}
		src.WriteString("    </section>\n  )\n}\n")
		add(fmt.Sprintf("src/m%d/c%d.tsx", i/100, i), src.String())
	}
	return a
}

// sizes are those of the benchmarks: what a change costs must not grow with them.
var sizes = []int{1000, 5000, 10000}

// BenchmarkCold is the first build of a site; BenchmarkPlain what esbuild's own bundle of the same files costs.
func BenchmarkCold(b *testing.B) {
	for _, n := range sizes {
		a := generate(b, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := newSite(b, a, Options{})
			before := cpu()
			for b.Loop() {
				fresh, err := New(Options{Dir: s.dir})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := fresh.Script(context.Background(), "src/main.tsx"); err != nil {
					b.Fatal(err)
				}
			}
			reportCPU(b, before)
		})
	}
}

func BenchmarkPlain(b *testing.B) {
	for _, n := range sizes {
		a := generate(b, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := newSite(b, a, Options{})
			before := cpu()
			for b.Loop() {
				r := api.Build(api.BuildOptions{
					AbsWorkingDir: s.dir, EntryPoints: []string{"src/main.tsx"}, Bundle: true, Outdir: filepath.Join(s.dir, "out"),
					JSX: api.JSXAutomatic, JSXDev: true, Sourcemap: api.SourceMapLinked, Format: api.FormatESModule,
				})
				if len(r.Errors) > 0 {
					b.Fatal(r.Errors)
				}
			}
			reportCPU(b, before)
		})
	}
}

// BenchmarkHot is an edit of one file, from the changed path to the event for the pages: of a module, of a style sheet, and of
// a module that gets broken and mended in turn. esbuild stands by for the file, as it does for one that is edited again.
func BenchmarkHot(b *testing.B) {
	edits := []struct{ name, path, old, new string }{
		{"module", "src/m0/c7.tsx", " of ", " of%d "},
		{"style", "src/style.css", ": 0", ": %d"},
		{"error", "src/m0/c7.tsx", "return (", "return ("},
	}
	for _, n := range sizes {
		a := generate(b, n)
		for _, edit := range edits {
			b.Run(fmt.Sprintf("%s/%d", edit.name, n), func(b *testing.B) {
				s := newSite(b, a, Options{})
				s.b.standbyRest = 0
				if _, err := s.b.Script(context.Background(), "src/main.tsx"); err != nil {
					b.Fatal(err)
				}
				path := s.path(edit.path)
				src, err := os.ReadFile(path)
				if err != nil {
					b.Fatal(err)
				}
				i := 0
				for b.Loop() {
					b.StopTimer()
					i++
					text := edit.new
					if strings.Contains(text, "%d") {
						text = fmt.Sprintf(text, i)
					} else {
						text += strings.Repeat("(", i%2)
					}
					if err := os.WriteFile(path, []byte(strings.Replace(string(src), edit.old, text, 1)), 0o666); err != nil {
						b.Fatal(err)
					}
					for _, y := range s.b.standbys {
						y.await()
					}
					b.StartTimer()
					s.b.Rebuild(context.Background(), []string{path})
					if broken := edit.name == "error" && i%2 == 1; broken != (len(s.last().Errors) > 0) {
						b.Fatalf("got %+v", s.last())
					}
				}
			})
		}
	}
}

// BenchmarkComponents is an edit of a React component of 40 lines, and of a module of 2,000. What finding the components adds to
// it is the metric added-%.
func BenchmarkComponents(b *testing.B) {
	counter, err := os.ReadFile("refresh/testdata/counter.tsx")
	if err != nil {
		b.Fatal(err)
	}
	imports, body, _ := strings.Cut(string(counter), "\n\n")
	for _, n := range []int{1, 50} {
		source := imports + "\n"
		for i := range n {
			source += strings.ReplaceAll(body, "Counter", fmt.Sprint("Counter", i))
		}
		b.Run(fmt.Sprint("lines=", strings.Count(source, "\n")), func(b *testing.B) {
			a := generate(b, 0)
			a.Files = append(a.Files, txtar.File{Name: "src/m0/c0.tsx"})
			s := newSite(b, a, Options{})
			path := s.path("src/m0/c0.tsx")
			finding := time.Duration(0)
			i := 0
			save := func() {
				i++
				if err := os.WriteFile(path, []byte(strings.ReplaceAll(source, "One more", fmt.Sprint(i, " more"))), 0o666); err != nil {
					b.Fatal(err)
				}
			}
			save()
			if _, err := s.b.Script(context.Background(), "src/m0/c0.tsx"); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				b.StopTimer()
				save()
				b.StartTimer()
				s.b.Rebuild(context.Background(), []string{path})
				b.StopTimer()
				if len(s.last().Updates) != 1 {
					b.Fatalf("got %+v", s.last())
				}
				m := s.b.modules["/src/m0/c0.tsx"]
				_, code, _ := bytes.Cut(m.good.code, []byte("\n"))
				code, _, _ = bytes.Cut(code, []byte("__import_meta.refresh"))
				start := time.Now()
				if s.b.componentsOf(m, code) == "" {
					b.Fatal("none was found")
				}
				finding += time.Since(start)
				b.StartTimer()
			}
			b.ReportMetric(100*float64(finding)/float64(b.Elapsed()-finding), "added-%")
		})
	}
}

// BenchmarkSecond is the first build of a second start: everything is in the cache.
func BenchmarkSecond(b *testing.B) {
	for _, n := range sizes {
		a := generate(b, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			folder := b.TempDir()
			s := newSite(b, a, Options{CacheDir: folder})
			start := func(builder *Builder) {
				if _, err := builder.Script(context.Background(), "src/main.tsx"); err != nil {
					b.Fatal(err)
				}
				builder.Close()
			}
			start(s.b)
			before := cpu()
			for b.Loop() {
				again, err := New(Options{Dir: s.dir, CacheDir: folder})
				if err != nil {
					b.Fatal(err)
				}
				start(again)
				if again.recalled < n {
					b.Fatalf("recalled %d modules", again.recalled)
				}
			}
			reportCPU(b, before)
		})
	}
}

// reportCPU adds the processor time of an operation to what a benchmark reports. Call it after the loop with cpu() from before it.
func reportCPU(b *testing.B, before time.Duration) {
	b.ReportMetric(float64((cpu()-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
}

// BenchmarkMemory is what stays in memory after a build of 10,000 modules and an edit; BenchmarkMemoryPlain
// the same for a context of esbuild's own, which Rebuild needs.
func BenchmarkMemory(b *testing.B) {
	s := newSite(b, generate(b, 10000), Options{})
	for b.Loop() {
		before := heap()
		kept, err := New(Options{Dir: s.dir})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := kept.Script(context.Background(), "src/main.tsx"); err != nil {
			b.Fatal(err)
		}
		kept.Rebuild(context.Background(), []string{s.path("src/m0/c7.tsx")})
		b.ReportMetric(float64(heap()-before)/(1<<20), "MiB")
		runtime.KeepAlive(kept)
	}
}

func BenchmarkMemoryPlain(b *testing.B) {
	s := newSite(b, generate(b, 10000), Options{})
	for b.Loop() {
		before := heap()
		plain, contextError := api.Context(api.BuildOptions{
			AbsWorkingDir: s.dir, EntryPoints: []string{"src/main.tsx"}, Bundle: true, Outdir: filepath.Join(s.dir, "out"),
			JSX: api.JSXAutomatic, JSXDev: true, Sourcemap: api.SourceMapLinked, Format: api.FormatESModule,
		})
		if contextError != nil {
			b.Fatal(contextError)
		}
		for range 2 {
			if r := plain.Rebuild(); len(r.Errors) > 0 {
				b.Fatal(r.Errors)
			}
		}
		b.ReportMetric(float64(heap()-before)/(1<<20), "MiB")
		plain.Dispose()
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

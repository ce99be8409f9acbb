package refresh

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/evanw/esbuild/pkg/api"
)

func TestLine(t *testing.T) {
	source := `import { useState, memo } from "react";
import { useForm } from "./form";
export const App = memo(() => { const [s, set] = useState("</a>\u2028"); useForm(); return <Tabs.Panel>{s}</Tabs.Panel>; });
export function Tabs() { return <p/>; }
Tabs.Panel = ({ useIt }) => useIt();
export default () => <App/>;
`
	want := `__import_meta.refresh?.([["App", App, ["useState{[s, set](\"</a>\\u2028\")}\nuseForm{}", false, () => [import_form.useForm]]], ` +
		`["Tabs", Tabs], [".Tabs.Panel", Tabs?.Panel, ["useIt{}", true]], ["%default%", main_default]]);` + "\n"
	got, ok := Analyze(compile(t, "main.tsx", source), []byte(source))
	if got != want || !ok {
		t.Errorf("got %t\n%swant\n%s", ok, got, want)
	}
}

// TestNothing lists what is not even parsed, and what cannot be.
func TestNothing(t *testing.T) {
	for _, c := range []struct {
		name, code string
		ok         bool
	}{
		{"empty", "", true},
		{"no hooks, no components", "var a = 1;\nfunction b() {}\n((( nonsense", true},
		{"nonsense", "var App = ((( nonsense\n", false},
		{"a string that does not end", "var App = 'x\n", false},
		{"a bracket too many", "var App = () => {}}\n", false},
		{"no name", "var App = function* \n", false},
		{"not text", "var App = \xff\x00\xfe;\n", false},
		{"nothing found", "var APP = 1;\n", true},
		{"very deep", "var App = " + strings.Repeat("(", 100_000) + strings.Repeat(")", 100_000) + ";\n", false},
		{"very deep functions", "var App = " + strings.Repeat("() => [", 20_000) + strings.Repeat("]", 20_000) + ";\n", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := Analyze([]byte(c.code), []byte(c.code))
			if got != "" || ok != c.ok {
				t.Errorf("got %t %q, want %t and nothing", ok, got, c.ok)
			}
		})
	}
}

// TestLong has modules that are generated or minified. Fifty times as much must take nowhere near 2,500 times as long; on a
// busy machine, it may take several times fifty.
func TestLong(t *testing.T) {
	counter, err := os.ReadFile("testdata/counter.tsx")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		write  func(n int) string
		minify bool
	}{
		{"20,000 lines", func(n int) string { return repeated(string(counter), 10*n) }, false},
		{"minified", func(n int) string { return repeated(string(counter), 10*n) }, true},
		{"one component with many hooks", func(n int) string {
			return "export function App() {\n" + strings.Repeat("{ const [a] = useState(0); useOther(1); }\n", 200*n) + "}\n"
		}, false},
		{"many names", func(n int) string {
			var b strings.Builder
			for i := range 200 * n {
				fmt.Fprintf(&b, "export const C%d = styled.b`x`; export function useX%d() { const [a%d] = useX%d(useState(a%d)); }\n", i, i, i, i/2, i)
			}
			return b.String()
		}, false},
		{"many imports", func(n int) string {
			var b strings.Builder
			for i := range 200 * n {
				fmt.Fprintf(&b, "import useI%d, { other as useO%d } from \"./%d\"; export const C%d = () => useI%d(useO%d());\n", i, i, i, i, i, i)
			}
			return b.String()
		}, false},
		{"one long expression", func(n int) string {
			return "export const App = () => [" + strings.Repeat("useState({ a: [1, 'x'] }), ", 200*n) + "];\n"
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			fastest := func(n int) time.Duration {
				source := c.write(n)
				code := compile(t, "main.tsx", source)
				if c.minify {
					code = api.Transform(string(code), api.TransformOptions{MinifySyntax: true, MinifyWhitespace: true, MinifyIdentifiers: true}).Code
				}
				least := time.Hour
				for range 3 {
					start := time.Now()
					if suffix, ok := Analyze(code, []byte(source)); !ok || suffix == "" {
						t.Fatal("nothing was found")
					}
					least = min(least, time.Since(start))
				}
				return least
			}
			if one, fifty := fastest(1), fastest(50); fifty > 800*one {
				t.Errorf("%v, and fifty times as much takes %v", one, fifty)
			}
		})
	}
}

// FuzzAnalyze checks that what is appended to a script is JavaScript there too.
func FuzzAnalyze(f *testing.F) {
	for _, c := range writtenCases(f) {
		f.Add(compile(f, "main.tsx", string(c.source)), c.source)
	}
	f.Fuzz(func(t *testing.T, code, source []byte) {
		suffix, _ := Analyze(code, source)
		if suffix == "" || !isScript(string(code)+"\n") {
			return
		}
		if !isScript(string(code) + "\n" + suffix) {
			t.Errorf("it is no script after that: %s", suffix)
		}
	})
}

func isScript(code string) bool {
	return len(api.Transform(code, api.TransformOptions{Format: api.FormatCommonJS}).Errors) == 0
}

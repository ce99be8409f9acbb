package refresh

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// BenchmarkAnalyze is to be compared with BenchmarkCompile: what is added to the compile of a component.
func BenchmarkAnalyze(b *testing.B) {
	for name, source := range benchmarked(b) {
		code, source := compile(b, "main.tsx", source), []byte(source)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(code)))
			b.ReportAllocs()
			for b.Loop() {
				if suffix, ok := Analyze(code, source); !ok || suffix == "" {
					b.Fatal("nothing was found")
				}
			}
		})
	}
}

// BenchmarkCompile is esbuild's compile of the same, by itself.
func BenchmarkCompile(b *testing.B) {
	for name, source := range benchmarked(b) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				compile(b, "main.tsx", source)
			}
		})
	}
}

// benchmarked gives a component of 40 lines and a module of 2,000.
func benchmarked(t testing.TB) map[string]string {
	one, err := os.ReadFile("testdata/counter.tsx")
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"lines=40": string(one), "lines=2000": repeated(string(one), 50)}
}

// repeated is a module of many components, each under its own names.
func repeated(component string, times int) string {
	imports, body, _ := strings.Cut(component, "\n\n")
	var out strings.Builder
	out.WriteString(imports + "\n\n")
	for i := range times {
		out.WriteString(strings.NewReplacer("Counter", fmt.Sprint("Counter", i), "useCounter", fmt.Sprint("useCounter", i)).Replace(body))
	}
	return out.String()
}

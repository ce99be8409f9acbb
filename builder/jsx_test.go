package builder

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
	"golang.org/x/tools/txtar"
)

func TestDetectJSX(t *testing.T) {
	for _, test := range []struct {
		name, site string
		source     string
		library    library
		plain      bool // elements do not say where they are written
	}{
		{"no package.json", "", "", "", false},
		{"neither", "-- package.json --\n{}\n", "", "", false},
		{"broken", "-- package.json --\n{\"dependencies\": \n", "", "", false},
		{"react", "-- package.json --\n{\"dependencies\": {\"react\": \"19\"}}\n", "", react, false},
		{
			"react 18 is there",
			"-- package.json --\n{\"dependencies\": {\"react\": \"18\"}}\n-- node_modules/react/package.json --\n{\"version\": \"18.3.1\"}\n",
			"", react, false,
		},
		{
			"react 19 is there",
			"-- package.json --\n{\"dependencies\": {\"react\": \"19\"}}\n-- node_modules/react/package.json --\n{\"version\": \"19.3.1\"}\n",
			"", react, true,
		},
		{"for development", "-- package.json --\n{\"devDependencies\": {\"preact\": \"10\"}}\n", "preact", preact, false},
		{"of a component library", "-- package.json --\n{\"peerDependencies\": {\"react\": \"*\"}}\n", "", react, false},
		{"above", "-- ../package.json --\n{\"dependencies\": {\"preact\": \"10\"}}\n", "preact", preact, false},
		{"the nearest counts", "-- ../package.json --\n{\"dependencies\": {\"preact\": \"10\"}}\n-- package.json --\n{}\n", "", "", false},
		{
			"preact under the name of react",
			"-- package.json --\n{\"dependencies\": {\"react\": \"npm:@preact/compat@18\"}}\n" +
				"-- ../node_modules/react/package.json --\n{\"name\": \"@preact/compat\"}\n",
			"", preact, false,
		},
		{"both", "-- package.json --\n{\"dependencies\": {\"react\": \"19\", \"preact\": \"10\"}}\n", "", react, false},
		{
			"both, JSX is preact's",
			"-- package.json --\n{\"dependencies\": {\"react\": \"19\", \"preact\": \"10\"}}\n" +
				"-- tsconfig.json --\n{\"extends\": \"./base.json\"}\n" +
				"-- base.json --\n{\"compilerOptions\": {\"jsx\": \"react-jsx\", /* as */ \"jsxImportSource\": \"preact\"}}\n",
			"preact", preact, false,
		},
		{
			"both, JSX is another's",
			"-- package.json --\n{\"dependencies\": {\"react\": \"19\", \"preact\": \"10\"}}\n" +
				"-- tsconfig.json --\n{\"compilerOptions\": {\"jsx\": \"react-jsx\", \"jsxImportSource\": \"@emotion/react\"}}\n",
			"", react, false,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "site")
			must(t, os.MkdirAll(dir, 0o777))
			for _, f := range txtar.Parse([]byte(test.site)).Files {
				path := filepath.Join(dir, f.Name)
				must(t, os.MkdirAll(filepath.Dir(path), 0o777))
				must(t, os.WriteFile(path, f.Data, 0o666))
			}
			b, err := New(Options{Dir: dir})
			must(t, err)
			if got := b.jsx; got.source != test.source || got.library != test.library {
				t.Errorf("JSX from %q for %q, want %q for %q", got.source, got.library, test.source, test.library)
			}
			if b.jsx.mode == api.JSXAutomatic && b.jsx.dev == test.plain {
				t.Errorf("elements say where they are written: %t", b.jsx.dev)
			}
		})
	}
}

func TestInCompat(t *testing.T) {
	for spec, want := range map[string]string{
		"react": "preact/compat", "react-dom": "preact/compat", "react-dom/client": "preact/compat/client",
		"react/jsx-runtime": "preact/compat/jsx-runtime", "react-router": "", "reactive": "", "preact": "", "./react": "",
	} {
		if got := inCompat(spec); got != want {
			t.Errorf("inCompat(%q) is %q, want %q", spec, got, want)
		}
	}
}

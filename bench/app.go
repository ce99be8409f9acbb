package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// An app is the measured site: a tree of React components, one a module of about 40 lines, each of which imports the next ten
// of its level. A tenth of them import src/shared.ts, too.
//
// What is edited carries a mark, a number that page.js looks for: the leaf's and the root's in an element of their own, that of shared.ts in
// an element of every importer, that of the style sheet as the z-index of one. Nothing else of the page depends on that sheet's mark, and few elements
// on its other rules: Chromium would need longer than any peer to style 20,000 of them.
type app struct {
	dir     string
	modules int
}

// An edit is a file of the app that is written again and again.
type edit struct {
	name string // as page.js calls the mark
	path string // in the app
	// source is the content of the file with a mark.
	source func(mark int) string
	broken string // a content that does not compile, or nothing
}

// generate writes an app of n modules to dir, with the packages that modules import copied from the folder with node_modules.
func generate(dir, packages string, n int) (*app, error) {
	a := &app{dir, n}
	files := map[string]string{
		"package.json":  `{"name": "app", "private": true, "type": "module", "dependencies": {"react": "19", "react-dom": "19"}}` + "\n",
		"tsconfig.json": `{"compilerOptions": {"jsx": "react-jsx", "module": "esnext", "moduleResolution": "bundler", "strict": true}}` + "\n",
		"index.html":    document("", `<script type="module" src="/src/main.tsx"></script>`),
		"rsbuild.html":  document("", ""), // Rsbuild adds the scripts itself
		"src/main.tsx":  "import { createRoot } from \"react-dom/client\"\nimport { C0 } from \"./m0/c0\"\nimport \"./style.css\"\n\ncreateRoot(document.getElementById(\"root\")!).render(<C0 title=\"all\" />)\n",
		// As https://esbuild.github.io/api/#live-reload has it.
		"www/index.html": document(`<link rel="stylesheet" href="/main.css">`, `<script type="module" src="/main.js"></script>
<script>
  new EventSource("/esbuild").addEventListener("change", (e) => {
    const { added, removed, updated } = JSON.parse(e.data)
    if (!added.length && !removed.length && updated.length === 1) {
      for (const link of document.getElementsByTagName("link")) {
        const url = new URL(link.href)
        if (url.host === location.host && url.pathname === updated[0]) {
          const next = link.cloneNode()
          next.href = updated[0] + "?" + Math.random().toString(36).slice(2)
          next.onload = () => link.remove()
          link.parentNode.insertBefore(next, link.nextSibling)
          return
        }
      }
    }
    location.reload()
  })
</script>`),
	}
	for i := range n {
		files[a.component(i)] = a.source(i, 0)
	}
	for _, e := range a.edits() {
		files[e.path] = e.source(0)
	}
	for name, data := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, []byte(data), 0o666); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"react", "react-dom", "react-refresh", "scheduler"} {
		if err := os.CopyFS(filepath.Join(dir, "node_modules", name), os.DirFS(filepath.Join(packages, name))); err != nil {
			return nil, fmt.Errorf("bench: copy %s, which npm ci --prefix bench installs: %w", name, err)
		}
	}
	return a, nil
}

func document(head, body string) string {
	return "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>App</title>\n" + head +
		"</head>\n<body>\n<div id=\"style-mark\"></div>\n<div id=\"root\"></div>\n" + body + "\n</body>\n</html>\n"
}

// edits are the files that are edited, in the order of the table.
func (a *app) edits() []edit {
	leaf, root := a.modules-1, 0
	return []edit{
		{"leaf", a.component(leaf), func(mark int) string { return a.source(leaf, mark) }, strings.Replace(a.source(leaf, 0), "return (", "return ((", 1)},
		{"root", a.component(root), func(mark int) string { return a.source(root, mark) }, ""},
		{"shared", "src/shared.ts", func(mark int) string {
			return fmt.Sprintf("export const shared = (s: string): string => s.trim() + \" %d\"\n", mark)
		}, ""},
		{"style", "src/style.css", func(mark int) string {
			return fmt.Sprintf("#style-mark { position: relative; z-index: %d }\n", mark) + rules
		}, ""},
	}
}

// rules are what a style sheet has beside its mark.
var rules = func() string {
	var css strings.Builder
	css.WriteString("body { margin: 8px }\n.open { color: #036 }\n")
	for i := range 40 {
		fmt.Fprintf(&css, ".card-%d > .title:hover { color: hsl(%d 50%% 40%%); padding: 0 %dpx }\n", i, 9*i, i)
	}
	return css.String()
}()

func (a *app) component(i int) string { return fmt.Sprintf("src/m%d/c%d.tsx", i/100, i) }

// source is component i. The first and the last have a mark and a counter, by which state that is lost shows.
func (a *app) source(i, mark int) string {
	importer := i%10 == 5
	var src strings.Builder
	src.WriteString("import { useState } from \"react\"\n")
	if importer {
		src.WriteString("import { shared } from \"../shared\"\n")
	}
	var children []int
	for c := 10*i + 1; c <= 10*i+10 && c < a.modules; c++ {
		fmt.Fprintf(&src, "import { C%d } from \"../m%d/c%d\"\n", c, c/100, c)
		children = append(children, c)
	}
	fmt.Fprintf(&src, "\ninterface Props { title: string; size?: number }\n\nexport function C%d({ title, size = 1 }: Props) {\n", i)
	src.WriteString("  const [open, setOpen] = useState<boolean>(false)\n  const [count, setCount] = useState<number>(size)\n")
	for j := range 8 {
		fmt.Fprintf(&src, "  const label%d = `${title} %d of ${count}`.trim() as string\n", j, j)
	}
	src.WriteString("  return (\n    <section className={open ? \"open\" : \"closed\"}>\n      <h2 onClick={() => setOpen(!open)}>{label0}</h2>\n")
	for j := range 8 {
		fmt.Fprintf(&src, "      <p key=\"%d\" onClick={() => setCount(count + %d)}>{label%d}</p>\n", j, j, j)
	}
	name := map[int]string{0: "root", a.modules - 1: "leaf"}[i]
	if name != "" {
		fmt.Fprintf(&src, "      <b id=\"%s-mark\">%d</b>\n      <button id=\"%s-count\" onClick={() => setCount(count + 1)}>{count}</button>\n", name, mark, name)
	}
	if importer {
		src.WriteString("      <i className=\"shared\">{shared(\"shared\")}</i>\n")
	}
	for _, c := range children {
		fmt.Fprintf(&src, "      <C%d title={title} />\n", c)
	}
	src.WriteString("    </section>\n  )\n}\n")
	return src.String()
}

// A style is how an editor saves.
type style func(path, content string) error

var saves = []struct {
	name string
	file style
}{{"in place", inPlace}, {"rename", byRename}}

func inPlace(path, content string) error { return os.WriteFile(path, []byte(content), 0o666) }

func byRename(path, content string) error {
	next := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp")
	if err := os.WriteFile(next, []byte(content), 0o666); err != nil {
		return err
	}
	return os.Rename(next, path)
}

package e2e

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"golang.org/x/tools/txtar"
)

var seed = flag.Uint64("seed", 0, "of the random edits of the convergence test; 0 takes one by chance")

// seeds are those that once failed, after a hundred edits or more. They run when E2E_EDITS asks for so many; what they
// found has scenarios of its own.
var seeds = []uint64{12, 13, 14}

// testConvergence edits a small site at random, and after each quiet moment compares the page that has
// lived through it all with one that has just been loaded: they must look the same. Some of the modules accept
// updates, of themselves or of what they import, others do not; some throw.
//
//	go test ./internal/e2e -run Pages/Convergence -seed=7          the same edits again
//	go test ./internal/e2e -run Pages/Faults -seed=7               with a fault in each round
//	E2E_EDITS=500 go test ./internal/e2e -run Pages/Convergence    more of them
func testConvergence(t *testing.T, b *browser) {
	forSeeds(t, 60, func(t *testing.T, seed uint64, edits int) { newGarden(t, b, seed).run(1, edits) })
}

// forSeeds calls f with each seed and the number of edits, which is usual unless E2E_EDITS says otherwise.
func forSeeds(t *testing.T, usual int, f func(t *testing.T, seed uint64, edits int)) {
	all := []uint64{*seed}
	if *seed == 0 {
		all[0] = rand.Uint64N(1 << 32)
	}
	if n, err := strconv.Atoi(os.Getenv("E2E_EDITS")); err == nil {
		usual = n
		if *seed == 0 {
			all = append(all, seeds...)
		}
	}
	for _, n := range all {
		t.Run(fmt.Sprint("seed=", n), func(t *testing.T) {
			t.Parallel()
			f(t, n, usual)
		})
	}
}

// A garden is a site that changes at random: modules m0 to m5, the entry first, and style sheets s0 to s2.
type garden struct {
	*scenario
	rand    *rand.Rand
	files   map[string]string // as they are now; "" is none
	past    []map[string]string
	version int
	done    []string // since the pages were compared last

	home    string    // the URL that tabs visit
	faulty  bool      // each round has one of the faults
	wire    *wire     // between browser and server, if there is one
	lost    int       // pages that a reader had to reload
	instant time.Time // at which all is saved, unless it is zero
}

const (
	gardenModules = 6
	gardenStyles  = 3
)

func newGarden(t *testing.T, b *browser, seed uint64) *garden {
	page := "<!doctype html>\n" + strings.Repeat("<p></p>", gardenModules) + `<script type="module" src="/m0.js"></script>`
	g := &garden{
		scenario: newScenario(t, b, fmt.Sprint("seed ", seed), &txtar.Archive{Files: []txtar.File{{Name: "index.html", Data: []byte(page)}}}),
		rand:     rand.New(rand.NewPCG(seed, 0)),
		files:    map[string]string{},
	}
	for i := range gardenModules {
		g.put(moduleName(i), g.module(i))
	}
	for i := range gardenStyles {
		g.put(styleName(i), g.style(i))
	}
	return g
}

func moduleName(i int) string { return fmt.Sprintf("m%d.js", i) }
func styleName(i int) string  { return fmt.Sprintf("s%d.css", i) }

func (g *garden) chance(percent int) bool { return g.rand.IntN(100) < percent }

// module makes a text for a module. Whatever it accepts, its page is right: it shows its own version when it runs, and
// what it says of others it asks them for when it is asked itself, by bindings that are live. Only of the last
// module, which accepts nothing, others take the version down as they run.
func (g *garden) module(i int) string {
	g.version++
	const last = gardenModules - 1
	var imports, body, asks strings.Builder
	for j := range gardenModules {
		path, number := quote("./"+moduleName(j)), strconv.Itoa(j)
		switch {
		case i == last || j == i:
		case j < i: // upwards: a cycle
			if g.chance(8) {
				imports.WriteString("import { tree as tree" + number + " } from " + path + "\n")
				asks.WriteString(" + tree" + number + "(path)")
			}
		case g.chance(12):
			body.WriteString("let lazy" + number + "; import(" + path + ").then((m) => { lazy" + number + " = m }, () => {})\n")
			asks.WriteString(" + lazy" + number + "?.tree(path)")
		case g.chance(45):
			imports.WriteString("import { tree as tree" + number + ", version as version" + number + " } from " + path + "\n")
			asks.WriteString(" + tree" + number + "(path)")
			if g.chance(25) {
				body.WriteString("import.meta.hot.accept(" + path + ", () => {})\n")
			} else if j == last {
				body.WriteString("const taken = version" + number + "\n")
				asks.WriteString(" + taken")
			}
		}
	}
	for j := range gardenStyles {
		if g.chance(25) {
			imports.WriteString("import " + quote("./"+styleName(j)) + "\n")
		}
	}
	if i != last && g.chance(40) {
		body.WriteString("import.meta.hot.accept()\n")
	}
	if g.chance(8) {
		body.WriteString("throw new Error(\"thrown\")\n")
	}
	return fmt.Sprintf(`%[3]sexport const version = %[2]d
export function tree(path = "") {
  return path.includes("m%[1]d") ? "m%[1]d" : (path += "m%[1]d", "m%[1]d." + version + "("%[5]s + ")")
}
const place = document.querySelectorAll("p")[%[1]d]
place.textContent = version
import.meta.hot.prune(() => { place.textContent = "" })
if (%[1]d === 0) globalThis.tree = tree
%[4]s`, i, g.version, imports.String(), body.String(), asks.String())
}

func (g *garden) style(i int) string {
	g.version++
	text := fmt.Sprintf("p { --s%d: %d; color: rgb(%d, %d, 0) }\n", i, g.version, i, g.version%256)
	if i+1 < gardenStyles && g.chance(25) {
		text = "@import " + quote("./"+styleName(i+1)) + ";\n" + text
	}
	return text
}

// put saves a file, or removes it if the text is "".
func (g *garden) put(name, text string) {
	g.t.Helper()
	g.files[name] = text
	err := error(nil)
	if text != "" {
		err = g.save(name, []byte(text))
		if err == nil && !g.instant.IsZero() {
			err = os.Chtimes(g.path(name), g.instant, g.instant)
		}
	} else {
		err = os.RemoveAll(g.path(name))
	}
	if err != nil {
		g.t.Fatal(err)
	}
}

// edit does one thing to the site.
func (g *garden) edit() {
	var name string
	var text func() string
	if i := g.rand.IntN(gardenModules + gardenStyles); i < gardenModules {
		name, text = moduleName(i), func() string { return g.module(i) }
	} else {
		name, text = styleName(i-gardenModules), func() string { return g.style(i - gardenModules) }
	}
	what := "change"
	switch n := g.rand.IntN(100); {
	case n < 55:
		g.put(name, text())
	case n < 63:
		what = "break"
		g.put(name, text()+"\n} ) (\n")
	case n < 70:
		what = "delete"
		g.put(name, "")
	case n < 78: // there and back, and saved as another under its name
		what = "rename"
		if g.files[name] != "" {
			for _, names := range [][2]string{{name, "old-" + name}, {"old-" + name, name}} {
				if err := os.Rename(g.path(names[0]), g.path(names[1])); err != nil {
					g.t.Fatal(err)
				}
			}
		}
	case n < 88:
		what = "mend"
		for _, name := range slices.Sorted(maps.Keys(g.files)) {
			if text := g.files[name]; text == "" || strings.Contains(text, "} ) (") || strings.Contains(text, "throw") {
				g.put(name, g.sound(name))
			}
		}
	default:
		what = "revert"
		past := g.past[g.rand.IntN(len(g.past))]
		for _, name := range slices.Sorted(maps.Keys(past)) {
			if g.files[name] != past[name] {
				g.put(name, past[name])
			}
		}
	}
	g.done = append(g.done, what+" "+name)
}

// sound makes a text with nothing wrong in it.
func (g *garden) sound(name string) string {
	var i int
	for {
		var text string
		if n, _ := fmt.Sscanf(name, "m%d.js", &i); n == 1 {
			text = g.module(i)
		} else {
			fmt.Sscanf(name, "s%d.css", &i)
			text = g.style(i)
		}
		if !strings.Contains(text, "throw") {
			return text
		}
	}
}

// looks is what a page shows. Of one that is broken it is no matter what is behind the overlay, and the order of
// the style sheets that import() brings is that in which they come.
const looks = `(() => {
	if (document.querySelector("devserve-overlay")) return "an overlay"
	const ordered = %t
	const sheets = [...document.querySelectorAll("style[data-devserve]")].map((e) => e.textContent)
	const { color } = getComputedStyle(document.querySelector("p"))
	return JSON.stringify({
		tree: tree(),
		versions: [...document.querySelectorAll("p")].map((p) => p.textContent).join(),
		sheets: ordered ? sheets : sheets.sort(),
		color: ordered ? color : "",
	}, null, 1)
})()`

// run shows the site in so many tabs while it is edited.
func (g *garden) run(tabs, edits int) {
	g.t.Helper()
	if err := g.begin(tabs); err != nil {
		g.t.Fatalf("%s: %v\n%s", g.file, err, g.report())
	}
	for edits > 0 {
		g.past = append(g.past, maps.Clone(g.files))
		n := 1
		if g.chance(30) {
			n += 1 + g.rand.IntN(5)
		}
		edits -= n
		if err := g.round(n); err != nil {
			var files strings.Builder
			for _, name := range slices.Sorted(maps.Keys(g.files)) {
				fmt.Fprintf(&files, "-- %s --\n%s", name, g.files[name])
			}
			g.t.Fatalf("%s: %v\nafter %s\n%s\n%s", g.file, err, strings.Join(g.done, ", "), files.String(), g.report())
		}
		g.done = nil
	}
}

// begin opens the tabs, and one more to compare them with.
func (g *garden) begin(tabs int) error {
	if g.srv == nil {
		if err := g.startServer(); err != nil {
			return err
		}
		g.home = g.srv.url("/")
	}
	for i := range tabs + 1 {
		if err := g.visit(fmt.Sprintf("%s in tab%d", g.home, i+1)); err != nil {
			return err
		}
	}
	return g.settle()
}

// round does n edits, with a fault if there are any, and compares.
func (g *garden) round(n int) error {
	for _, b := range g.tabs { // who looks at the page may see as many reloads as there are edits
		if err := b.do(chromedp.KeyEvent("a")); err != nil {
			return err
		}
	}
	var f fault
	if g.faulty {
		f = faults[g.rand.IntN(len(faults))]
		g.done = append(g.done, "during "+f.name)
	}
	if f.begin != nil {
		if err := f.begin(g); err != nil {
			return err
		}
	}
	for range n {
		g.edit()
	}
	if f.end != nil {
		if err := f.end(g); err != nil {
			return err
		}
	}
	return g.compare()
}

// compare waits until all other tabs look as the last does, which is loaded now.
func (g *garden) compare() error {
	if err := g.settle(); err != nil {
		return err
	}
	last := len(g.tabs) - 1
	if err := g.tabs[last].visit(g.home); err != nil {
		return err
	}
	if err := g.tabs[last].want("document.readyState", `"complete"`); err != nil {
		return err
	}
	lazy := false
	for _, text := range g.files {
		lazy = lazy || strings.Contains(text, "import(")
	}
	js := fmt.Sprintf(looks, !lazy)
	for i, b := range g.tabs[:last] {
		var old, fresh string
		for end := time.Now().Add(limit); ; {
			old, fresh = b.now(js), g.tabs[last].now(js)
			if old == fresh {
				break
			}
			if time.Now().After(end) {
				return fmt.Errorf("tab %d looks\n%s\nand loaded anew\n%s", i+1, old, fresh)
			}
		}
	}
	return nil
}

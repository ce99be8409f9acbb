package builder

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// Where a page's code threw is told in the words of its sources, whatever brought the code.
func TestPlaces(t *testing.T) {
	s := newSite(t, txtar.Parse([]byte(`
-- main.ts --
import { fail } from "./fail"
interface Gone { a: string }
export const lazy = () => import("./lazy")
fail("€")
-- fail.ts --
type Text = string

export function fail(what: Text): never {
  throw new Error(what)
}
-- lazy.ts --
type A = 1
throw new TypeError("lazy")
`)), Options{})
	ask := func(at string) Place {
		t.Helper()
		out, err := s.b.Resource(context.Background(), "places", url.Values{"at": {at}})
		must(t, err)
		var places []Place
		must(t, json.Unmarshal(out.Body, &places))
		if len(places) != 1 {
			t.Fatalf("%s: %s", at, out.Body)
		}
		return places[0]
	}
	find := func(url, body, text string) string {
		t.Helper()
		for i, line := range strings.Split(body, "\n") {
			if j := strings.Index(line, text); j >= 0 {
				return fmt.Sprintf("%s:%d:%d", url, i+1, j+1)
			}
		}
		t.Fatalf("no %q in %s", text, body)
		return ""
	}

	must(t, s.step("get main.ts"))
	want := Place{File: "fail.ts", Line: 4, Column: 9, LineText: "  throw new Error(what)"}
	if got := ask(find("/main.ts", s.body, "new Error(what)")); got != want {
		t.Errorf("bundle: %+v", got)
	}
	must(t, s.step("lazy lazy.ts"))
	if got := ask(find("/_devserve/build/lazy?id=%2Flazy.ts&t=1", s.body, "new TypeError")); got.File != "lazy.ts" || got.Line != 2 {
		t.Errorf("lazy: %+v", got)
	}
	must(t, s.step(`write fail.ts type Text = string\n\n\nexport function fail(what: Text) { throw new RangeError(what) }`))
	update := s.last()
	path := fmt.Sprintf("/fail.ts?build=%d", update.Build)
	if got := ask(find(path, update.Updates[0].Code, "new RangeError")); got.File != "fail.ts" || got.Line != 4 {
		t.Errorf("update: %+v", got)
	}
	script, err := s.b.Resource(context.Background(), fmt.Sprintf("update/%d", update.Build), nil)
	must(t, err)
	if got := ask(find(fmt.Sprintf("/_devserve/build/update/%d", update.Build), string(script.Body), "new RangeError")); got.File != "fail.ts" || got.Line != 4 {
		t.Errorf("update's script: %+v", got)
	}
	for _, at := range []string{"", "x", "/main.ts", "/main.ts:1", "/main.ts:0:0", "/none.ts:1:1", "/main.ts:99999:1", "/main.ts:-1:-1", ":::", "%zz:1:1", "/main.ts?build=77:1:1"} {
		if got := ask(at); got.Line != 0 && at != "/main.ts:99999:1" {
			t.Errorf("%q: %+v", at, got)
		}
	}
}

package server

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/devserve/devserve/builder"
	"github.com/devserve/devserve/reload"
)

func TestCold(t *testing.T) {
	for _, tt := range []struct {
		types  []builder.UpdateType
		reload string
		left   []builder.UpdateType
		want   string
	}{
		{nil, "", nil, ""},
		{[]builder.UpdateType{builder.CSS, builder.Asset, builder.HTML}, "", []builder.UpdateType{builder.CSS, builder.Asset, builder.HTML}, ""},
		{[]builder.UpdateType{builder.CSS, builder.JS, builder.JS}, "", []builder.UpdateType{builder.CSS}, notHot},
		{[]builder.UpdateType{builder.JS}, "why", nil, "why"},
	} {
		r := builder.Result{Reload: tt.reload}
		for _, u := range tt.types {
			r.Updates = append(r.Updates, builder.Update{Type: u})
		}
		got := cold(r)
		var left []builder.UpdateType
		for _, u := range got.Updates {
			left = append(left, u.Type)
		}
		if !slices.Equal(left, tt.left) || got.Reload != tt.want {
			t.Errorf("%v: %v, %q", tt.types, left, got.Reload)
		}
		if len(r.Updates) != len(tt.types) {
			t.Error("the builder's own were written to")
		}
	}
}

func TestEvent(t *testing.T) {
	problem := builder.Diagnostic{
		Source: "esbuild", Text: "no", File: "a.ts", Line: 1, Column: 2, Length: 3, LineText: "x",
		Notes: []builder.Note{{Text: "see", File: "b.ts", Line: 4, Column: 5, Length: 6, LineText: "y"}},
	}
	shown := reload.Diagnostic{
		Text: "no", File: "a.ts", Line: 1, Column: 2, Length: 3, LineText: "x",
		Notes: []reload.Note{{Text: "see", File: "b.ts", Line: 4, Column: 5, Length: 6, LineText: "y"}},
	}
	for _, tt := range []struct {
		name string
		from builder.Result
		want reload.Event
	}{
		{"nothing", builder.Result{Build: 1, Hash: "h"}, reload.Built{Build: 1, Hash: "h"}},
		{"updates",
			builder.Result{Build: 2, Hash: "i", Took: 1500 * time.Microsecond, Updates: []builder.Update{
				{Type: builder.JS, Path: "/a.ts", Code: "code"}, {Type: builder.CSS, Path: "/a.css"},
				{Type: builder.HTML, Path: "/index.html"}, {Type: builder.Asset, Path: "/a.png"},
			}},
			reload.Built{Build: 2, Hash: "i", MS: 1.5, Updates: []reload.Update{
				{Type: reload.JS, Path: "/a.ts", Code: "code"}, {Type: reload.CSS, Path: "/a.css"},
				{Type: reload.HTML, Path: "/index.html"}, {Type: reload.Asset, Path: "/a.png"},
			}}},
		{"full reload", builder.Result{Build: 3, Reload: "why"}, reload.Built{Build: 3, Reload: &reload.FullReload{Reason: "why"}}},
		{"warnings", builder.Result{Build: 4, Warnings: []builder.Diagnostic{problem}},
			reload.Built{Build: 4, Warnings: []reload.Diagnostic{shown}}},
		{"errors", builder.Result{Build: 5, Hash: "j", Errors: []builder.Diagnostic{problem, {Source: "x", Text: "more"}}, Warnings: []builder.Diagnostic{problem}},
			reload.Error{Build: 5, Source: "esbuild", Errors: []reload.Diagnostic{shown, {Text: "more"}}, Warnings: []reload.Diagnostic{shown}}},
	} {
		if got := event(tt.from, "/"); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s:\n%+v, want\n%+v", tt.name, got, tt.want)
		}
	}
}

func TestLargeUpdatesGoByURL(t *testing.T) {
	large := string(make([]byte, inlineLimit))
	r := builder.Result{Build: 7, Updates: []builder.Update{
		{Type: builder.JS, Path: "/a.ts", Code: large}, {Type: builder.JS, Path: "/b.ts", Code: "b"}, {Type: builder.CSS, Path: "/c.css", Code: "c"},
	}}
	url := "/sub/_devserve/build/update/7"
	want := []reload.Update{{Type: reload.JS, Path: "/a.ts", URL: url}, {Type: reload.JS, Path: "/b.ts", URL: url}, {Type: reload.CSS, Path: "/c.css", Code: "c"}}
	if got := updates(r, "/sub/"); !reflect.DeepEqual(got, want) {
		t.Errorf("%.200v", got)
	}
	r.Updates = r.Updates[:1]
	if got := updates(r, "/sub/"); len(got) != 1 || got[0].Code != large || got[0].URL != "" {
		t.Errorf("at the limit: %.200v", got)
	}
}

func TestListings(t *testing.T) {
	for _, tt := range []struct {
		name, base          string
		files, listed, want []string
	}{
		{"none", "/", []string{"a/b.txt"}, nil, nil},
		{"once", "/", []string{"a/b.txt", "a/c.txt"}, []string{"/a/"}, []string{"/a/"}},
		{"the root", "/", []string{"b.txt"}, []string{"/"}, []string{"/"}},
		{"below a base", "/sub/", []string{"b.txt", "a/b.txt"}, []string{"/sub/", "/sub/a/"}, []string{"/sub/", "/sub/a/"}},
		{"only the nearest", "/", []string{"a/b/c/d.txt"}, []string{"/", "/a/"}, []string{"/a/"}},
		{"outside the site", "/", []string{"../x.ts", "/x.ts", ""}, []string{"/a/"}, nil},
	} {
		listed := map[string]bool{}
		for _, l := range tt.listed {
			listed[l] = true
		}
		var got []string
		for _, u := range listings(tt.files, tt.base, listed) {
			if u.Type != reload.HTML || u.Code != "" {
				t.Errorf("%s: %+v", tt.name, u)
			}
			got = append(got, u.Path)
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestDid(t *testing.T) {
	update := func(types ...builder.UpdateType) (r builder.Result) {
		for _, u := range types {
			r.Updates = append(r.Updates, builder.Update{Type: u})
		}
		return r
	}
	reloads := update(builder.JS)
	reloads.Reload = "why"
	first := update(builder.JS)
	first.Entry = "/a.ts"
	broken := first
	broken.Errors = []builder.Diagnostic{{}}
	for want, r := range map[string][]builder.Result{
		"error":       {broken},
		"first build": {first},
		"page reload": {reloads, update(builder.HTML), update(builder.Asset, builder.HTML)},
		"hot update":  {update(builder.JS), update(builder.CSS, builder.JS, builder.Asset)},
		"style sheet": {update(builder.CSS), update(builder.CSS, builder.Asset)},
		"asset":       {update(builder.Asset)},
		"no change":   {update()},
	} {
		for _, r := range r {
			if got := did(r); got != want {
				t.Errorf("did(%+v) = %q, want %q", r, got, want)
			}
		}
	}
}

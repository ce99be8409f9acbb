package server

import (
	"net/http/httptest"
	"testing"
)

func TestUseOf(t *testing.T) {
	type requests = map[string][]string
	all := requests{
		"module": module, "classic": classic, "worker": inWorker, "link": link, "fetch": fetch,
		"navigation": navigation, "image": image, "curl": curl, "old browser": oldBrowser,
		"shared worker":  {"Sec-Fetch-Dest", "sharedworker", "Sec-Fetch-Mode", "same-origin"},
		"service worker": {"Sec-Fetch-Dest", "serviceworker", "Sec-Fetch-Mode", "same-origin"},
		"audio worklet":  {"Sec-Fetch-Dest", "audioworklet", "Sec-Fetch-Mode", "cors"},
		"frame":          {"Sec-Fetch-Dest", "iframe", "Sec-Fetch-Mode", "navigate"},
		"old link":       {"Accept", "text/css,*/*;q=0.1"},
	}
	workers := map[string]use{"worker": worker, "shared worker": worker, "service worker": worker, "audio worklet": worker}
	with := func(also map[string]use) map[string]use {
		m := map[string]use{}
		for k, v := range workers {
			m[k] = v
		}
		for k, v := range also {
			m[k] = v
		}
		return m
	}
	typed := with(map[string]use{"module": script, "classic": script, "curl": script, "old link": script})
	plain := with(map[string]use{"module": script, "curl": script, "old link": script})
	ready := with(map[string]use{"module": script})
	for target, want := range map[string]map[string]use{ // what is not named is raw
		"/a.ts":                 typed,
		"/a.TSX":                typed,
		"/a/b.jsx":              typed,
		"/a.mts?t=1":            typed,
		"/a.cts":                typed,
		"/node_modules/x/a.ts":  typed,
		"/a.js":                 plain,
		"/a.mjs":                plain,
		"/a.cjs":                plain,
		"/node_modules/x/a.js":  ready,
		"/x.min.js":             ready,
		"/a.css":                {"link": style, "curl": style, "old link": style},
		"/node_modules/x/a.css": {"link": style, "curl": style, "old link": style},
		"/a.ts?raw":             {},
		"/a.css?raw":            {},
		"/a.html":               {},
		"/a.json":               {},
		"/a.png":                {},
		"/a":                    {},
		"/a.ts.txt":             {},
	} {
		for who, header := range all {
			r := httptest.NewRequest("GET", target, nil)
			for i := 0; i < len(header); i += 2 {
				r.Header.Set(header[i], header[i+1])
			}
			if got := useOf(r, r.URL.Path[1:]); got != want[who] {
				t.Errorf("%s asked by %s: %d, want %d", target, who, got, want[who])
			}
		}
	}
}

func TestNavigates(t *testing.T) {
	for _, tt := range []struct {
		target   string
		header   []string
		navigate bool
	}{
		{"/a", navigation, true},
		{"/user/john.doe", navigation, true},
		{"/a", []string{"Sec-Fetch-Dest", "iframe"}, true},
		{"/a", oldBrowser, true},
		{"/", oldBrowser, true},
		{"/a.png", oldBrowser, false},
		{"/a", curl, false},
		{"/a", fetch, false},
		{"/a", append([]string{"Accept", "text/html"}, fetch[:4]...), false},
		{"/a", module, false},
		{"/a", image, false},
	} {
		r := httptest.NewRequest("GET", tt.target, nil)
		for i := 0; i < len(tt.header); i += 2 {
			r.Header.Set(tt.header[i], tt.header[i+1])
		}
		if got := navigates(r); got != tt.navigate {
			t.Errorf("%s %v: %v", tt.target, tt.header, got)
		}
	}
}

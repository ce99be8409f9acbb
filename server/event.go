package server

import (
	"cmp"
	"encoding/json"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/devserve/devserve/builder"
	"github.com/devserve/devserve/reload"
)

// event translates what the builder found into what the pages of a site at base are told.
func event(r builder.Result, base string) reload.Event {
	if len(r.Errors) > 0 {
		return reload.Error{
			Build:    r.Build,
			Source:   reload.OwnSource,
			Errors:   diagnostics(r.Errors),
			Warnings: diagnostics(r.Warnings),
			Updates:  updates(r, base),
			Info:     info(r),
		}
	}
	b := reload.Built{
		Build:    r.Build,
		Hash:     r.Hash,
		MS:       float64(r.Took.Microseconds()) / 1000,
		Warnings: diagnostics(r.Warnings),
	}
	b.Updates = updates(r, base)
	b.Info = info(r)
	if r.Reload != "" {
		b.Reload = &reload.FullReload{Reason: r.Reload}
	}
	return b
}

// info is what pages must know of the modules in r's updates, or nil.
func info(r builder.Result) json.RawMessage {
	data, _ := json.Marshal(r.Info) // strings always marshal
	if string(data) == "{}" {
		return nil
	}
	return data
}

// inlineLimit is how much code an event carries, in bytes; beyond it pages load an update's modules by URL. From the
// write of a file to its code running in Chromium takes, medians of ten, in the event and by URL:
//
//	16 KB   10 and 15 ms        512 KB   97 and 115 ms
//	64 KB   19 and 31 ms          1 MB  199 and 238 ms
//	256 KB  56 and 67 ms          4 MB  908 and 990 ms
//
// So what a person writes goes into the event. Of what is larger the request is the least part, and an event is kept for
// replay and sent to every tab, whether it has the module or not.
const inlineLimit = 256 << 10

func updates(r builder.Result, base string) []reload.Update {
	size := 0
	for _, u := range r.Updates {
		size += len(u.Code)
	}
	var out []reload.Update
	for _, u := range r.Updates {
		update := reload.Update{Type: reload.UpdateType(u.Type), Path: u.Path, Code: u.Code}
		if size > inlineLimit && u.Type == builder.JS {
			update.Code = ""
			update.URL = base + "_devserve/build/update/" + strconv.FormatInt(r.Build, 10)
		}
		out = append(out, update)
	}
	return out
}

func diagnostics(ds []builder.Diagnostic) []reload.Diagnostic {
	var out []reload.Diagnostic
	for _, d := range ds {
		var notes []reload.Note
		for _, n := range d.Notes {
			notes = append(notes, reload.Note(n))
		}
		out = append(out, reload.Diagnostic{
			Text: d.Text, File: d.File, Line: d.Line, Column: d.Column, Length: d.Length, LineText: d.LineText,
			Notes: notes,
		})
	}
	return out
}

// listings returns the updates for those listings among listed, by URL path, that show the changed files: for each
// file the nearest folder above it, as a new folder shows in the one that holds it. files are relative to the site.
func listings(files []string, base string, listed map[string]bool) []reload.Update {
	var updates []reload.Update
	done := map[string]bool{}
	for _, name := range files {
		for dir := name; dir != "." && dir != "/"; {
			dir = path.Dir(dir)
			url := base + dir + "/"
			if dir == "." {
				url = base
			}
			if listed[url] {
				if !done[url] {
					done[url] = true
					updates = append(updates, reload.Update{Type: reload.HTML, Path: url})
				}
				break
			}
		}
	}
	return updates
}

// notHot is why pages load anew under Options.NoHMR.
const notHot = "hot updates are off"

// cold returns r without hot updates of modules: a full reload takes their place.
func cold(r builder.Result) builder.Result {
	isJS := func(u builder.Update) bool { return u.Type == builder.JS }
	if slices.ContainsFunc(r.Updates, isJS) {
		r.Updates = slices.DeleteFunc(slices.Clone(r.Updates), isJS)
		r.Info = builder.Info{}
		r.Reload = cmp.Or(r.Reload, notHot)
	}
	return r
}

// report translates what the builder found into what a person at a terminal wants to know.
func report(r builder.Result, clients int) Build {
	return Build{
		Number: r.Build, Files: r.Files, Entry: r.Entry, Did: did(r), Reason: r.Reload, Modules: r.Modules,
		Took: r.Took.Round(10 * time.Microsecond), Clients: clients,
		Errors: r.Errors, Warnings: r.Warnings,
	}
}

// did names what a build brings to the pages that show what it changed.
func did(r builder.Result) string {
	switch {
	case len(r.Errors) > 0:
		return "error"
	case r.Entry != "":
		return "first build"
	case r.Reload != "":
		return "page reload"
	}
	var js, css, html, asset bool
	for _, u := range r.Updates {
		js = js || u.Type == builder.JS
		css = css || u.Type == builder.CSS
		html = html || u.Type == builder.HTML
		asset = asset || u.Type == builder.Asset
	}
	switch {
	case html:
		return "page reload"
	case js:
		return "hot update"
	case css:
		return "style sheet"
	case asset:
		return "asset"
	}
	return "no change"
}

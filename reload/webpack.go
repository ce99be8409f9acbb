package reload

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf16"
)

// The protocol of webpack-hot-middleware 2.26: unnamed messages with neither IDs nor
// retry, errors inside of built, and a heartbeat that is a message. Four of its ways are
// left out on purpose: a sync goes only to the stream that is new, a build that
// changed nothing is a sync, modules are not listed, and there is no CORS header.
//
// https://github.com/webpack/webpack-hot-middleware/blob/v2.26.1/middleware.js

// A webpackMessage is the data of one message. A building has nothing but its action.
type webpackMessage struct {
	Name     string            `json:"name"` // of the bundle; there is only one
	Action   string            `json:"action"`
	Time     int64             `json:"time"` // ms
	Hash     string            `json:"hash"`
	Warnings []string          `json:"warnings"`
	Errors   []string          `json:"errors"`
	Modules  map[string]string `json:"modules"` // names by ID, for the client's log
}

const webpackHeartbeat = "data: 💓\n\n"

func (h *Hub) serveWebpack(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-cache, no-transform")
	header.Set("X-Accel-Buffering", "no")
	if r.ProtoMajor == 1 {
		header.Set("Connection", "keep-alive")
	}
	h.stream(w, r, &subscriber{webpack: true, by: "webpack"}, "", false, "\n", webpackHeartbeat)
}

// firstWebpack is the sync of a new stream: nothing before the first build and
// while one runs, when its end will tell.
func (h *Hub) firstWebpack() []frame {
	if h.stateAt == 0 || h.running {
		return nil
	}
	return []frame{webpackFrame(h.state, h.state, h.good.Hash, true)}
}

// webpackFrame translates e, a whole event after which state is what holds: the protocol knows no
// sources, so each message has all errors there are. Hash is of the last good build before e; sync is for
// a stream that is new.
func webpackFrame(e, state Event, hash string, sync bool) frame {
	m := webpackMessage{Action: "built", Hash: hash, Errors: []string{}, Modules: map[string]string{}}
	switch e := e.(type) {
	case Building:
		return frame("data: {\"action\":\"building\"}\n\n")
	case Built:
		if e.Hash == hash || !e.own() {
			sync = true // the client would ask for an update that does not exist
		} else {
			m.Hash = e.Hash
		}
		m.Time = int64(math.Round(e.MS))
		m.Warnings = flat(e.Warnings)
	case Error:
		m.Warnings = flat(e.Warnings)
	}
	if state, ok := state.(Error); ok {
		m.Errors = flat(state.Errors)
	}
	if sync {
		m.Action = "sync"
	}
	data, _ := json.Marshal(m) // strings and numbers always marshal
	return frame("data: " + string(data) + "\n\n")
}

// flat renders diagnostics as webpack does: "file line:column", the text, the
// code frame. What is not known is left out.
func flat(ds []Diagnostic) []string {
	out := make([]string, len(ds))
	for i, d := range ds {
		head := d.File
		if d.Line > 0 {
			head = fmt.Sprintf("%s %d:%d", d.File, d.Line, d.Column)
		}
		out[i] = strings.TrimPrefix(head+"\n"+d.Text+codeFrame(d), "\n")
	}
	return out
}

// maxFrameLine is the longest source line that is shown, in bytes: more is minified code.
const maxFrameLine = 500

// codeFrame returns d's source line with a mark below the place, or "".
func codeFrame(d Diagnostic) string {
	if d.Line <= 0 || d.LineText == "" || len(d.LineText) > maxFrameLine {
		return ""
	}
	units := utf16.Encode([]rune(d.LineText))
	start := min(max(d.Column-1, 0), len(units))
	end := min(start+max(d.Length, 0), len(units))
	// Tabs stay, so that the mark stands below its place whatever their width.
	blank := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, string(utf16.Decode(units[:start])))
	mark := strings.Repeat("^", max(len(utf16.Decode(units[start:end])), 1))
	number := strconv.Itoa(d.Line)
	return fmt.Sprintf("\n  %s | %s\n  %*s | %s%s", number, d.LineText, len(number), "", blank, mark)
}

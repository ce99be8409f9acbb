package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
)

// testStreams shows that an EventSource without our client, a reader by fetch and POST, and one that
// speaks HTTP over a socket of its own, as curl -N does, are told the same, to the byte.
func testStreams(t *testing.T, b *browser) {
	s := newScenario(t, b, "streams", txtar.Parse([]byte(`
open /
text #out = one
do window.heard = ""; const hear = (e) => { if (e.data) heard += "id: " + e.lastEventId + "\nevent: " + e.type + "\ndata: " + e.data + "\n\n" }; const source = new EventSource("/_devserve/events"); for (const name of ["building", "built", "error"]) source.addEventListener(name, hear)
do window.read = ""; const response = await fetch("/_devserve/events", {method: "POST"}); (async () => { const reader = response.body.pipeThrough(new TextDecoderStream()).getReader(); for (;;) { const {done, value} = await reader.read(); if (done) break; read += value } })()
eval heard !== "" && read !== "" = true
-- index.html --
<!doctype html>
<link rel="stylesheet" href="style.css">
<p id="out"></p>
<script type="module" src="main.ts"></script>
-- style.css --
p { color: red }
-- main.ts --
document.querySelector("#out")!.textContent = "one"
`)))
	s.run()

	c, err := net.Dial("tcp", s.srv.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(limit))
	fmt.Fprintf(c, "GET /_devserve/events HTTP/1.1\r\nHost: %s\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\r\n", s.srv.addr)
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Header.Get("Content-Type"); r.StatusCode != 200 || !strings.HasPrefix(got, "text/event-stream") {
		t.Fatalf("%s, %s", r.Status, got)
	}

	s.archive.Comment = []byte(`
write style.css p { color: blue }
computed #out color = rgb(0, 0, 255)
write notes.txt "quotes", <tags>, ünï, 日本語 and \u2028
settle
write style.css p { color: "ünï日本語
overlay style\.css
write style.css p { color: green }
no overlay
settle
`)
	s.run()
	id := s.srv.events.newest()
	socket := readUntil(t, r.Body, "id: "+id+"\n")

	if err := s.tab.want("[heard, read].every((text) => text.includes("+quote("id: "+id+"\n")+"))", "true"); err != nil {
		t.Fatal(err)
	}
	var heard, read string
	for js, text := range map[string]*string{"heard": &heard, "read": &read} {
		got, err := s.tab.eval(js)
		if err == nil {
			err = json.Unmarshal([]byte(got), text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	read = beats.Replace(read)
	if read != socket {
		t.Errorf("by POST:\n%s\nby GET:\n%s", read, socket)
	}
	retry, events, _ := strings.Cut(socket, "\n\n")
	if !strings.HasPrefix(retry, "retry: ") {
		t.Errorf("the stream begins with %q, want retry", retry)
	}
	if heard != events {
		t.Errorf("EventSource heard:\n%s\nsent was:\n%s", heard, events)
	}
}

// beats takes heartbeats out: they come when nothing else does.
var beats = strings.NewReplacer(": heartbeat\n\n", "")

// readUntil returns what r has up to the end of the event that has the line.
func readUntil(t *testing.T, r io.Reader, line string) string {
	t.Helper()
	lines := bufio.NewReader(r)
	var all strings.Builder
	for found := false; ; {
		text, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("%v after:\n%s", err, all.String())
		}
		all.WriteString(text)
		found = found || text == line
		if found && text == "\n" {
			return beats.Replace(all.String())
		}
	}
}

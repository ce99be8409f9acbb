package reload

import (
	"bufio"
	"bytes"
	"io"
	"maps"
	"mime"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/devserve/devserve/internal/wrap"
)

// Injection adds one script element to what a handler answers while it answers it.
// The body is read by tokens, up to the place where the script belongs and no further:
//
//   - right after <head>, or after the <meta charset> that begins the head, as
//     browsers look for that in the first 1024 bytes only; always before a <base>;
//   - where there is no <head>, before the first content: what is neither doctype,
//     <html>, comment nor space. The parser opens a head there.
//
// Of what follows only the rest of the head up to its first script is read, for a policy's nonce.
// No text of a script, template or comment can be mistaken for a tag, as the reading
// ends before any of them. What has been read before that place is passed on as it
// comes; only an unfinished token is held, and the header as long as nothing was
// flushed, so that a Content-Length can be corrected. The rest of the body passes
// through untouched, and the pages of a whole site, some of them videos and other
// files, do so from the first byte: they keep sendfile.
//
// A page that the browser has kept must not come back with an old data-id, as it
// would be told to reload by events that it has seen. So the entity tag names
// the event too, and there is no Last-Modified.

// Inject wraps next so that every complete HTML document it answers loads the client.
// What a browser asks for in order to show it is a document; where the request
// does not say (curl, or plain http to an address that is not this machine), what begins as
// one. Answers to scripts of the page, fragments, downloads, other types and UTF-16 are left alone; a page in gzip, brotli
// or zstd is sent decoded. The response header Devserve-Page, by which a handler names the
// file it answers with, becomes data-page and is removed; so does Devserve-Copy, the key of a copy of
// the answer, with data-copy.
//
// If a page's Content-Security-Policy has a nonce for scripts, the element carries it. If it stops the
// client, a warning is logged, once for each page and directive; the policy stays as it is.
//
// A body that ends early, so that its Content-Length or its encoding shows that something is missing, ends as one
// that is cut off: by a panic with [http.ErrAbortHandler], as in [net/http/httputil.ReverseProxy].
func (h *Hub) Inject(next http.Handler) http.Handler {
	warned := new(warned)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in := &injector{Writer: wrap.Writer{ResponseWriter: w}, hub: h, warned: warned, id: h.ID(), url: r.URL.Path, host: r.Host,
			wants: whatIsWanted(r), head: r.Method == http.MethodHead, outer: w.Header().Get("Content-Encoding")}
		defer in.stop()
		next.ServeHTTP(in, in.request(r))
		in.finish() // not after a panic: half a page is not completed
	})
}

// wants says which HTML gets the client.
type wants int

const (
	wantsData     wants = iota // none: a script of the page asked
	wantsAnything              // what begins as a document
	wantsDocument              // all: a browser will show it
)

func whatIsWanted(r *http.Request) wants {
	for _, fragment := range []string{"Hx-Request", "Turbo-Frame", "X-Turbo-Request-Id", "Datastar-Request", "X-Requested-With"} {
		if r.Header.Get(fragment) != "" {
			return wantsData
		}
	}
	switch r.Header.Get("Sec-Fetch-Dest") {
	case "document", "iframe", "frame":
		return wantsDocument
	case "":
		return wantsAnything
	}
	return wantsData
}

// An injector is the ResponseWriter of one answer.
type injector struct {
	wrap.Writer
	hub    *Hub
	warned *warned
	id     string // newest event when the request came
	url    string // its path
	host   string
	wants  wants
	head   bool   // the request's method is HEAD
	known  bool   // the request named our entity tag of this very event
	outer  string // Content-Encoding when the request came: of a middleware around us, which will encode

	state  state
	code   int         // given to WriteHeader
	header http.Header // as it was then, and to be sent; nil once it was
	given  http.Header // as it was then
	page   string      // from Devserve-Page
	copy   string      // from Devserve-Copy
	length int64       // what Content-Length promised, where we had to remove it
	got    int64       // bytes that next has written
	coded  *decoding   // what next writes goes through this; nil where it is plain
	lost   bool        // what it decoded could not be written: the browser has gone
	buf    []byte      // of the body, not yet passed on
	scan   scanner
	late   bool // next has returned
}

type state int

const (
	begin    state = iota // WriteHeader has not been called
	sniff                 // HTML or not: buf will tell
	scanning              // looking for the place
	pass                  // nothing left to do
)

// request returns r as next shall see it: one whose answer can be read and is no
// answer to a page from before the newest event.
func (in *injector) request(r *http.Request) *http.Request {
	if in.wants == wantsData {
		return r
	}
	out := new(http.Request)
	*out = *r
	out.Header = r.Header.Clone()
	tags := strings.Join(r.Header["If-None-Match"], ", ")
	if mark := in.mark(); strings.Contains(tags, mark) {
		in.known = true
		out.Header.Set("If-None-Match", strings.ReplaceAll(tags, mark, `"`))
	}
	if in.wants == wantsDocument {
		if !in.known {
			out.Header.Del("If-None-Match") // of a copy without the client, or with an old one
		}
		out.Header.Del("If-Modified-Since")
		out.Header.Del("Range")
		out.Header.Del("If-Range")
	}
	if in.wants == wantsDocument || strings.Contains(r.Header.Get("Accept"), "text/html") {
		out.Header.Del("Accept-Encoding")
	}
	return out
}

// mark ends the entity tag of a page with the client in it.
func (in *injector) mark() string { return "+" + in.id + `"` }

// Hijack hands the connection over.
func (in *injector) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := in.Writer.Hijack()
	if err == nil {
		in.stop()
		in.state, in.buf, in.coded, in.length = pass, nil, nil, 0
	}
	return conn, rw, err
}

// WriteHeader decides from the header what happens to the body.
func (in *injector) WriteHeader(code int) {
	header := in.Header()
	in.take("Devserve-Page", &in.page)
	in.take("Devserve-Copy", &in.copy)
	for _, name := range []string{"Cross-Origin-Resource-Policy", "X-Content-Type-Options"} {
		if values := header[name]; len(values) > 1 {
			header[name] = values[:1] // Guard's: a proxy has added those of its upstream
		}
	}
	informational := code >= 100 && code < 200 && code != http.StatusSwitchingProtocols
	if informational || in.state != begin {
		if in.header == nil { // else it is one too many, and the server has not even seen the first
			in.ResponseWriter.WriteHeader(code)
		}
		return
	}
	in.code = code
	types, typed := header["Content-Type"]
	switch {
	case code == http.StatusNotModified && in.known:
		in.markTag(header)
		in.giveUp("")
	case code < 200 || code == http.StatusNoContent || code == http.StatusPartialContent || code >= 300 && code < 400:
		in.giveUp("") // no page, or none that is shown
	case !typed && in.wants != wantsData && in.encoding(header) == "" && !in.late:
		in.state = sniff
		in.hold()
	case isHTML(types):
		in.hold()
		in.begin()
		if in.late && in.header != nil {
			in.release() // nothing tells when this body ends
		}
	default:
		in.giveUp("")
	}
}

// take removes a header that is for us.
func (in *injector) take(name string, into *string) {
	if values, ok := in.Header()[name]; ok {
		*into = strings.Join(values, "")
		in.Header().Del(name)
	}
}

// begin looks for the place, in what is HTML.
func (in *injector) begin() {
	if !slices.Contains(in.header.Values("Vary"), "Sec-Fetch-Dest") {
		in.header.Add("Vary", "Sec-Fetch-Dest") // a script's copy is not the page's
	}
	_, params, _ := mime.ParseMediaType(in.header.Get("Content-Type"))
	encoding := in.encoding(in.header)
	decoder, known := codings[encoding]
	switch {
	case in.wants == wantsData:
		in.giveUp("")
	case isAttachment(in.header):
		in.giveUp("the page is to be saved, not shown")
	case encoding != "" && (!known || in.late):
		in.giveUp("the body is encoded: " + encoding)
	case slices.Contains(utf16Labels, strings.ToLower(params["charset"])):
		in.giveUp(reasonUTF16)
	default:
		in.state = scanning
		in.scan.fragments = in.wants == wantsDocument
		if encoding != "" {
			in.coded = newDecoding(decoder, decoded{in})
			in.otherBytes()
			in.header.Del("Content-Encoding")
			if in.outer != "" {
				in.header.Set("Content-Encoding", in.outer)
			}
			in.header.Del("Content-Length")
			if tag := in.header.Get("Etag"); strings.HasPrefix(tag, `"`) {
				in.header.Set("Etag", "W/"+tag)
			}
		}
	}
}

// isAttachment reports whether a browser will save the body as a file.
func isAttachment(header http.Header) bool {
	disposition, _, _ := strings.Cut(header.Get("Content-Disposition"), ";")
	return strings.EqualFold(strings.TrimSpace(disposition), "attachment")
}

// encoding returns the coding that the body has when it comes to us, or "".
func (in *injector) encoding(header http.Header) string {
	encoding := strings.Join(header["Content-Encoding"], ", ")
	if encoding == in.outer || strings.EqualFold(encoding, "identity") {
		return ""
	}
	return strings.ToLower(encoding)
}

// decoded takes what a decoding makes.
type decoded struct{ in *injector }

func (d decoded) Write(b []byte) (int, error) {
	n, err := d.in.write(b)
	d.in.lost = d.in.lost || err != nil
	return n, err
}

const reasonUTF16 = "the body is in UTF-16"

// utf16Labels are from https://encoding.spec.whatwg.org/#names-and-labels.
var utf16Labels = []string{"utf-16", "utf-16le", "utf-16be", "unicode", "unicodefeff", "unicodefffe", "csunicode", "ucs-2", "iso-10646-ucs-2"}

// giveUp lets everything through. Reason is for the log; "" where no one would ask.
func (in *injector) giveUp(reason string) {
	if reason != "" {
		in.hub.log.Debug("client not injected", "url", in.url, "reason", reason)
	}
	if in.header != nil {
		in.send()
	} else if in.state == begin {
		in.ResponseWriter.WriteHeader(in.code)
	}
	in.state = pass
}

// hold keeps the header as it is now, when WriteHeader is called.
func (in *injector) hold() {
	in.given = maps.Clone(in.Header())
	in.header = in.Header().Clone()
}

// send sends the header that was held, with what was done to it since by us. What the
// handler did to it since is for trailers, and comes back afterwards; middlewares around
// us that look at the header late see the one that was sent.
func (in *injector) send() {
	live := in.Header()
	late := http.Header{}
	for k, v := range live {
		if !slices.Equal(v, in.given[k]) {
			late[k] = v
		}
	}
	clear(live)
	maps.Copy(live, in.header)
	in.ResponseWriter.WriteHeader(in.code)
	maps.Copy(live, late)
	in.header, in.given = nil, nil
}

// amend makes the header that of a page with a script of length more bytes in it, or
// perhaps in it where more is negative.
func (in *injector) amend(more int) {
	in.otherBytes()
	in.header.Del("Last-Modified")
	in.markTag(in.header)
	length, err := strconv.ParseInt(in.header.Get("Content-Length"), 10, 64)
	switch {
	case err == nil && more >= 0:
		in.header.Set("Content-Length", strconv.FormatInt(length+int64(more), 10))
	case err == nil:
		in.length = length // the server cannot watch over it any more
		fallthrough
	default:
		in.header.Del("Content-Length")
	}
}

// otherBytes removes from the header what it says of the body's bytes.
func (in *injector) otherBytes() {
	for _, of := range []string{"Accept-Ranges", "Content-Md5", "Content-Digest", "Repr-Digest", "Digest"} {
		in.header.Del(of)
	}
}

// markTag makes an entity tag that of the page with the client, which is the same
// entity in effect, not in bytes.
func (in *injector) markTag(header http.Header) {
	if tag, ok := strings.CutSuffix(header.Get("Etag"), `"`); ok {
		header.Set("Etag", "W/"+strings.TrimPrefix(tag, "W/")+in.mark())
	}
}

// Write passes b on, with the client where it belongs.
func (in *injector) Write(b []byte) (int, error) {
	if in.state == begin {
		in.WriteHeader(http.StatusOK)
	}
	in.got += int64(len(b))
	if in.coded != nil {
		return in.coded.Write(b)
	}
	return in.write(b)
}

// write takes what is to be seen of the body.
func (in *injector) write(b []byte) (int, error) {
	if in.state == pass {
		return in.ResponseWriter.Write(b)
	}
	// b is the caller's: it is read in place, and only what is held is copied.
	if len(in.buf) == 0 {
		in.buf = b[:len(b):len(b)]
	} else {
		in.buf = append(in.buf, b...)
		if in.state == sniff && len(in.buf) < sniffLen || in.scan.unclosed && len(in.buf) < maxToken && bytes.IndexByte(b, '>') < 0 && !in.late {
			return len(b), nil // nothing new can be said
		}
	}
	if in.state != sniff || len(in.buf) >= sniffLen {
		why := written
		if in.late {
			why = ended
		}
		if err := in.advance(why); err != nil {
			return 0, err
		}
	}
	if len(in.buf) <= len(b) {
		in.buf = bytes.Clone(in.buf)
	}
	return len(b), nil
}

// WriteString spares the copy where the server does.
func (in *injector) WriteString(s string) (int, error) {
	if in.state == pass && in.coded == nil {
		in.got += int64(len(s))
		return io.WriteString(in.ResponseWriter, s)
	}
	return in.Write([]byte(s))
}

// ReadFrom lets the server use sendfile for all that is not looked at.
func (in *injector) ReadFrom(src io.Reader) (n int64, err error) {
	if in.state == begin {
		if _, typed := in.Header()["Content-Type"]; typed {
			in.WriteHeader(http.StatusOK)
		}
	}
	for buf := []byte(nil); in.state != pass || in.coded != nil; {
		if buf == nil {
			buf = make([]byte, 4<<10)
		}
		got, err := src.Read(buf)
		if got > 0 {
			n += int64(got)
			if _, err := in.Write(buf[:got]); err != nil {
				return n, err
			}
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
	rest, err := io.Copy(in.ResponseWriter, src)
	in.got += rest
	return n + rest, err
}

// Flush is [http.Flusher]'s.
func (in *injector) Flush() { in.FlushError() }

// FlushError sends the header and all that has been written, but for an unfinished token
// before the client's place.
func (in *injector) FlushError() error {
	if in.state == begin {
		in.WriteHeader(http.StatusOK)
	}
	if in.state != pass {
		if err := in.advance(flushed); err != nil {
			return err
		}
	}
	if in.state != pass {
		if err := in.release(); err != nil {
			return err
		}
	}
	return in.Writer.FlushError()
}

// finish ends the body.
func (in *injector) finish() {
	if in.state == begin && isHTML(in.Header()["Content-Type"]) {
		in.WriteHeader(http.StatusOK) // an empty page
	}
	if in.coded != nil && !in.head {
		if err := in.coded.end(); err != nil {
			if !in.lost {
				in.hub.log.Warn("answer cut off: what the handler encoded is broken or ends early", "url", in.url, "err", err)
			}
			panic(http.ErrAbortHandler)
		}
	}
	switch {
	case in.state == begin: // the server adds what is missing
		in.take("Devserve-Page", &in.page)
		in.take("Devserve-Copy", &in.copy)
	case in.state == pass:
	case in.head && len(in.buf) == 0 && in.state == scanning:
		in.amend(-1) // as GET would be answered, as far as can be told
		in.send()
	default:
		in.advance(ended) // the server knows of a failed write
	}
	if in.got < in.length && !in.head {
		panic(http.ErrAbortHandler) // as the server does where it knows the length
	}
	in.late = true // echo handles errors after its middlewares, by the same writer
}

// stop ends what runs for the request.
func (in *injector) stop() {
	if in.coded != nil {
		in.coded.stop()
	}
}

// sniffLen is how much of a body [http.DetectContentType] looks at.
const sniffLen = 512

// maxToken is how long a token before the client's place may be, as it is held: longer
// than any licence text in a comment.
const maxToken = 64 << 10

// advance reads on in buf and passes on what need not be held.
func (in *injector) advance(why pause) error {
	if in.state == sniff {
		if len(in.buf) > 0 {
			// The server would look at the same bytes, or at fewer; it must not see ours.
			in.header.Set("Content-Type", http.DetectContentType(in.buf))
		}
		if isHTML(in.header["Content-Type"]) {
			in.begin()
		} else {
			in.giveUp("")
		}
	}
	tag, at := "", 0
	if in.state == scanning {
		var result result
		at, result = in.scan.next(in.buf, why)
		switch {
		case result == found:
			tag = in.tag(in.nonce())
			if in.header != nil {
				in.amend(len(tag))
				in.send()
			}
			in.state = pass
		case result == none:
			in.giveUp(in.scan.reason)
		case len(in.buf)-in.scan.safe() > maxToken:
			in.giveUp("no end of a token in sight")
		case in.header == nil || len(in.buf) > maxToken:
			return in.release()
		default:
			return nil
		}
	}
	if err := in.passOn(at); err != nil {
		return err
	}
	if tag != "" {
		if _, err := io.WriteString(in.ResponseWriter, tag); err != nil {
			return err
		}
	}
	return in.passOn(len(in.buf))
}

// release sends the header, though the place is not known, and all before it.
func (in *injector) release() error {
	if in.header != nil {
		in.amend(-1)
		in.send()
	}
	return in.passOn(in.scan.safe())
}

// passOn takes the first n bytes off buf and writes them.
func (in *injector) passOn(n int) error {
	if n == 0 {
		return nil
	}
	b := in.buf[:n]
	in.buf = in.buf[n:]
	in.scan.drop(n)
	_, err := in.ResponseWriter.Write(b)
	return err
}

// nonce returns the one that the page's policies want of a script, or "", and warns of policies that stop the client.
func (in *injector) nonce() string {
	policies := policies(in.Header(), in.scan.policies)
	own := nonce(policies)
	for _, p := range policies {
		for _, o := range p.obstacles(own, in.host) {
			if in.warned.first(in.url, o) {
				in.hub.log.Warn("the page's Content-Security-Policy stops devserve's client", "url", in.url, "directive", o.directive, "add", o.add)
			}
		}
	}
	return own
}

// tag is the element, in ASCII, as the page may be in any encoding that contains it.
func (in *injector) tag(nonce string) string {
	var b strings.Builder
	attr := func(name, value string) {
		if value == "" {
			return
		}
		b.WriteString(" " + name + `="`)
		for _, c := range value {
			if c < ' ' || c > '~' || strings.ContainsRune(`"&<>'`, c) {
				b.WriteString("&#" + strconv.Itoa(int(c)) + ";")
			} else {
				b.WriteRune(c)
			}
		}
		b.WriteByte('"')
	}
	b.WriteString("<script")
	attr("src", in.hub.o.Base+"_devserve/client.js")
	attr("data-id", in.id)
	attr("data-page", in.page)
	attr("data-copy", in.copy)
	attr("nonce", nonce)
	b.WriteString("></script>")
	return b.String()
}

func isHTML(types []string) bool {
	if len(types) == 0 {
		return false
	}
	t, _, _ := strings.Cut(types[0], ";")
	return strings.EqualFold(strings.TrimSpace(t), "text/html")
}

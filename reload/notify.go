package reload

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// maxScript is the longest client.js that Notify reads; ours is far shorter.
const maxScript = 4 << 20

var tokenInScript = regexp.MustCompile(`token: "([^"\\]+)"`)

// Notify tells the devserve at base, the URL of its site ("http://" may be left
// out), to reload all pages, for a reason that people will read. It takes the token from
// client.js, as a page does.
func Notify(ctx context.Context, base, reason string) error {
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("reload: notify %q: not the URL of a site", base)
	}
	origin := u.Scheme + "://" + strings.ToLower(u.Host)
	u = u.JoinPath("_devserve/")
	u.RawQuery, u.Fragment, u.User = "", "", nil
	c := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true}, // nothing stays behind, nothing goes by a proxy
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	fail := func(err error) error { return fmt.Errorf("reload: notify %s: %w", origin, err) }

	script, err := ask(ctx, c, "GET", u.JoinPath("client.js").String(), nil, nil)
	if err != nil {
		return fail(err)
	}
	token := tokenInScript.FindSubmatch(script)
	if token == nil {
		return fail(fmt.Errorf("no devserve answers at %s", u))
	}
	body, err := json.Marshal(map[string]string{"reason": reason})
	if err != nil {
		return fail(err)
	}
	_, err = ask(ctx, c, "POST", u.JoinPath("notify").String(), body, http.Header{
		"Content-Type":     {"application/json"},
		"Origin":           {origin},
		"X-Devserve-Token": {string(token[1])},
	})
	if err != nil {
		return fail(err)
	}
	return nil
}

// ask sends one request and returns the body of a good answer.
func ask(ctx context.Context, c *http.Client, method, url string, body []byte, header http.Header) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	res, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxScript))
	if err != nil {
		return nil, err
	}
	if res.StatusCode/100 != 2 {
		text, _, _ := strings.Cut(string(answer), "\n")
		return nil, fmt.Errorf("%s %s: %s: %.200q", method, url, res.Status, text)
	}
	return answer, nil
}

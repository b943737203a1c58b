/**
 * Bellwire for browsers that have nothing but XMLHttpRequest: one script of ES5, used as it stands.
 *
 *   var feed = BellwirePoll.start({
 *     url: "/v1",                              // the API's prefix
 *     channels: ["public/host"],
 *     rewind: 10,                              // begin with so many kept events, 0 to 100
 *     token: function (done) { done("…"); },   // your login's token, fresh; or the token itself
 *     onUpdate: function (update) {},          // {channel, epoch, seq, op, key, data, at, id}
 *     onState: function (channel, state) {},   // after each change a new object, without prototype
 *     onReset: function (channel) {},          // continuity was lost; differences, state follow
 *     onError: function (error) {},            // {code, message, retryable, channel, …}
 *     onStatus: function (status) {}           // "connecting", "polling", "offline" or "failed"
 *   });
 *   feed.stop();
 *
 * Each update is told once and in order, or onReset and then the differences. §, R2, R3, R4 and R6
 * are those of PROTOCOL.md. Not here: sockets, presence. Functions close over what they keep, since the
 * names of variables get short when this is minified, and the names of members do not.
 */
var BellwirePoll = (function () {
  "use strict";

  var ANSWER_WITHIN_MS = 10000; // §5, as the next three
  var MAX_CHANNELS = 50;
  var MAX_PAUSE_MS = 30000;
  var MAX_LEFT = 16; // §4
  var REFUSED_MS = 1000; // Logins of the second in which access was revoked do not hold (§8).
  var SOONEST_MS = 5000; // A session is not renewed sooner, whatever its end is said to be.
  var DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"; // RFC 4648 §5

  /** @throws TypeError without a url and a list of channels. */
  function start(options) {
    var lines = [];
    var takers = {};
    var session;
    var status;
    var isStopped;
    if (!options || !options.url || !Array.isArray(options.channels)) {
      throw new TypeError("found no url or no list of channels, expected both");
    }
    var names = options.channels.slice().sort();
    [false, true].forEach(function (isPrivate) {
      addLines(
        isPrivate,
        names.filter(function (name, index) {
          return /^public\//.test(name) !== isPrivate && name !== names[index - 1];
        })
      );
    });
    return {
      stop: function () {
        isStopped = true;
        lines.forEach(function (line) {
          line.halt();
        });
      }
    };

    function addLines(isPrivate, names) {
      while (names.length) lines.push(startLine(isPrivate, names.splice(0, MAX_CHANNELS)));
    }

    function tell(callback, first, second) {
      if (!isStopped && options[callback]) {
        attempt(function () {
          options[callback](first, second);
        });
      }
    }

    /** The feed is as well as the worst of its lines; those that have failed count if all have. */
    function tellStatus() {
      var worst = ["offline", "connecting", "polling", "failed"].filter(function (one) {
        return lines.some(function (line) {
          return line.status === one;
        });
      })[0];
      if (worst === status) return;
      status = worst;
      tell("onStatus", status);
    }

    /** A line is what is asked in one request: public channels, or others with a session's token. */
    function startLine(needsToken, names) {
      var line = { status: "connecting", halt: halt };
      var failures = 0;
      var refusals = 0;
      var timer;
      var cancel;
      wait(0);
      return line;

      function halt() {
        clearTimeout(timer);
        if (cancel) cancel();
      }

      function wait(delayMs) {
        if (!isStopped) timer = setTimeout(run, delayMs);
      }

      function become(status) {
        line.status = status;
        tellStatus();
      }

      function run() {
        tellStatus();
        if (isStopped) return;
        if (!needsToken || !options.token) poll();
        else if (session && Date.now() < session.renewMs) poll(session.token);
        else logIn(options.token);
      }

      function ask(path, bearer, body, isRight, done, refuse) {
        cancel = send(options.url + path, bearer, body, function (answer, error, request) {
          if (answer && isRight(answer)) done(answer, request);
          else refuse(error || errorOf(request));
        });
      }

      function logIn(token) {
        var isFresh = typeof token === "function";
        var isCalled;
        if (!isFresh) open(token);
        else if (
          attempt(function () {
            token(open);
          })
        )
          open();

        function open(login) {
          if (isCalled || isStopped) return;
          isCalled = true;
          if (login) ask("/session", login, "{}", isSession, keep, refuse);
          else fail({ code: "unauthenticated", message: "found no token", retryable: true });
        }

        function refuse(error) {
          refuseLogin(error, isFresh);
        }
      }

      /** A session is renewed after some three quarters of its life, by the server's clock. */
      function keep(found, request) {
        var nowMs = Date.now();
        var serverMs = Date.parse(request.getResponseHeader("Date")) || nowMs;
        var renewMs = (found.expires_at - serverMs) * (0.7 + Math.random() / 10);
        session = { token: found.token, renewMs: nowMs + Math.max(SOONEST_MS, renewMs) };
        poll(found.token);
      }

      /** Before a refusal counts, log in once more where that may help. */
      function refuseLogin(error, mayHelp) {
        session = null;
        if (error.retryable || error.status !== 401 || !mayHelp || refusals++) fail(error);
        else wait(REFUSED_MS * (1 + Math.random()));
      }

      function poll(bearer) {
        ask("/updates?" + query(), bearer, null, isAnswer, take, refuse);
      }

      /** Ask from where each channel is, whatever answer brought it there [R6]. */
      function query() {
        var rewind = options.rewind ? "&rewind=" + options.rewind : "";
        if (!takers[names[0]]) return "channels=" + names.map(encodeURIComponent) + rewind;
        return (
          "cursor=" +
          cursorOf(
            names.map(function (name) {
              return takers[name].place();
            })
          )
        );
      }

      function isAnswer(answer) {
        return (
          answer.v === 1 &&
          answer.channels &&
          names.every(function (name) {
            return isPart(answer.channels[name]);
          })
        );
      }

      function take(answer, request) {
        var asked = query();
        failures = refusals = 0;
        names.forEach(function (name) {
          takers[name] = takers[name] || startChannel(name, tell);
          takers[name].take(answer.channels[name]);
        });
        if (!answer.more) become("polling");
        var told = request.getResponseHeader("Bellwire-Poll-After-Ms");
        var isOnItsWay = answer.more && query() !== asked;
        wait(isOnItsWay ? 0 : +told || answer.poll_after_ms || 2000);
      }

      function refuse(error) {
        var status = error.status;
        if (error.retryable) fail(error);
        else if ((status === 413 || error.code === "bad_cursor") && names[1]) {
          // More than a cursor holds.
          addLines(needsToken, names.splice(names.length >> 1));
          wait(0);
        } else if ((status === 401 || status === 403) && !needsToken && options.token) {
          // Where guests may not read, members may (§5).
          needsToken = true;
          wait(0);
        } else if (status === 403) leaveOut(error);
        else refuseLogin(error, options.token);
      }

      /** One channel may not be read: say so, and go on with the others. */
      function leaveOut(error) {
        var index = names.indexOf(error.channel);
        if (index < 0 || !names[1]) return fail(error);
        names.splice(index, 1);
        tell("onError", error);
        wait(0);
      }

      /** Source of full jitter: AWS Architecture Blog, "Exponential Backoff And Jitter" (2015). */
      function fail(error) {
        tell("onError", error);
        become(error.retryable ? "offline" : "failed");
        var ownMs = Math.min(MAX_PAUSE_MS, 500 * Math.pow(2, failures++)) * Math.random();
        var toldMs = (error.retryAfterMs || 0) * (1 + Math.random());
        if (error.retryable) wait(Math.max(ownMs, toldMs));
      }
    }
  }

  /** Tell whether it threw; that reaches the window's onerror, and stops nothing here. */
  function attempt(act) {
    try {
      act();
    } catch (error) {
      setTimeout(function () {
        throw error;
      }, 0);
      return true;
    }
  }

  /** Call done(answer, error, request) once, unless the function returned is called before. */
  function send(url, bearer, body, done) {
    var request = new XMLHttpRequest();
    var isDone;
    var timer = setTimeout(function () {
      finish();
      request.abort();
    }, ANSWER_WITHIN_MS);
    request.onreadystatechange = function () {
      if (request.readyState === 4) finish();
    };
    try {
      request.open(body ? "POST" : "GET", url, true);
      if (bearer) request.setRequestHeader("Authorization", "Bearer " + bearer);
      request.send(body);
    } catch (_) {
      finish();
    }
    return function () {
      isDone = true;
      clearTimeout(timer);
      request.abort();
    };

    function finish() {
      if (isDone) return;
      isDone = true;
      clearTimeout(timer);
      var status = request.readyState === 4 && request.status;
      var answer = status && parse(request.responseText);
      if (status === 200) done(answer, null, request);
      else done(null, errorOf(request, status, answer && answer.error, bearer));
    }
  }

  function parse(text) {
    try {
      return JSON.parse(text);
    } catch (_) {}
  }

  /** Who answers in other words than the service's is a proxy, or a login page: that may pass. */
  function errorOf(request, status, told, bearer) {
    var error = told || { code: "upstream", message: "found no answer from Bellwire" };
    return {
      code: error.code,
      // A careless server may quote what it was given.
      message: String(error.message)
        .split(bearer || "\0")
        .join("\u2026"),
      retryable: !told || error.retryable || status === 429 || status >= 500,
      channel: error.channel,
      status: status,
      retryAfterMs: status ? 1000 * request.getResponseHeader("Retry-After") || 0 : 0
    };
  }

  function isSession(answer) {
    return answer.token;
  }

  function isPart(part) {
    if (!part || !part.u) return false;
    var last = part.u[part.u.length - 1];
    return part.recovered ? part.f === part.l || (last && last.s === part.l) : part.state;
  }

  /** Follow one channel: take in its parts of answers, and say where it is to be asked from. */
  function startChannel(name, tell) {
    var state = copy({});
    var left = [];
    var pages;
    var epoch;
    var seq;
    return { take: take, place: place };

    /** A row of the cursor (§6). */
    function place() {
      return pages ? [name, pages.e, pages.l, pages.next] : [name, epoch, seq];
    }

    /** [R3] [R4] */
    function take(part) {
      var before = pages;
      pages = null;
      if (left.indexOf(part.e) >= 0) return;
      if (part.recovered) join(part);
      else if (part.e !== epoch || part.l > seq) takePage(part, before);
    }

    /** [R2] */
    function join(part) {
      // From "never written" into the channel's first epoch nothing can be missing (§1).
      if (epoch === "0" && part.f === 0) enter(part.e, 0);
      if (part.e !== epoch || part.f > seq) return;
      var hasChanged;
      part.u.forEach(function (wire) {
        if (wire.s > seq && apply(wire)) hasChanged = true;
      });
      seq = Math.max(seq, part.l);
      if (hasChanged) tell("onState", name, copy(state));
    }

    function enter(newEpoch, newSeq) {
      if (epoch && epoch !== newEpoch) left = left.concat(epoch).slice(-MAX_LEFT);
      epoch = newEpoch;
      seq = newSeq;
    }

    /** [R4] Add a page to those before, or begin anew; the last one makes a whole state. */
    function takePage(part, before) {
      var goesOn = before && before.e === part.e && before.l === part.l;
      var run = goesOn ? before : part;
      run.state = copy(part.state, goesOn && run.state);
      run.next = part.next;
      if (run.next == null) replace(run);
      else pages = run;
    }

    function replace(run) {
      var had = epoch;
      var after = run.e === epoch ? seq : 0;
      var old = state;
      enter(run.e, run.l);
      state = run.state;
      if (had) tell("onReset", name);
      Object.keys(old)
        .sort()
        .forEach(function (key) {
          if (!(key in state)) show({ s: seq, o: "delete", k: key });
        });
      Object.keys(state)
        .sort()
        .forEach(function (key) {
          if (!(key in old) || JSON.stringify(old[key]) !== JSON.stringify(state[key])) {
            show({ s: seq, o: "set", k: key, d: state[key] });
          }
        });
      run.u.forEach(function (wire) {
        if (wire.s > after && wire.o === "event") show(wire);
      });
      tell("onState", name, copy(state));
    }

    /** Change the state and tell; return whether it changed. Other ops are passed over (§12). */
    function apply(wire) {
      if (wire.o === "set") state[wire.k] = wire.d;
      else if (wire.o === "delete") delete state[wire.k];
      else if (wire.o !== "event") return;
      show(wire);
      return wire.o !== "event";
    }

    function show(wire) {
      tell("onUpdate", {
        channel: name,
        epoch: epoch,
        seq: wire.s,
        op: wire.o,
        key: wire.k,
        data: wire.d,
        at: wire.t,
        id: wire.i
      });
    }
  }

  /** Copy into a target, or into an object in which "__proto__" is a key like any other. */
  function copy(entries, target) {
    target = target || Object.create(null);
    Object.keys(entries).forEach(function (key) {
      target[key] = entries[key];
    });
    return target;
  }

  /** Write the cursor of some rows (§6). */
  function cursorOf(rows) {
    var bytes = unescape(encodeURIComponent(JSON.stringify(rows)));
    var crc = -1;
    var bits = 0;
    var count = 0;
    var cursor = "";
    each(bytes, function (byte) {
      var turns = 8;
      crc ^= byte;
      while (turns--) crc = (crc >>> 1) ^ (crc & 1 && 0xedb88320);
    });
    each("[1," + bytes + "," + (~crc >>> 0) + "]", function (byte) {
      bits = (bits << 8) | byte;
      for (count += 8; count >= 6; count -= 6) cursor += digit(bits >> (count - 6));
    });
    return count ? cursor + digit(bits << (6 - count)) : cursor;
  }

  function each(bytes, act) {
    bytes.split("").forEach(function (byte) {
      act(byte.charCodeAt(0));
    });
  }

  function digit(bits) {
    return DIGITS.charAt(bits & 63);
  }

  return { start: start };
})();

if (typeof module === "object" && module.exports) module.exports = BellwirePoll;

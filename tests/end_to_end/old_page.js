// A page of 2012: follows channels, and writes whatever it is told into the document.
// It runs where everything newer is missing, so it is ES5 like the script.
function startOld(channels, login) {
  var old = { told: {}, states: {}, statuses: [], errors: [] };

  function show() {
    var count = 0;
    for (var name in old.told) count += old.told[name].length;
    document.getElementById("count").innerHTML = count;
    document.getElementById("status").innerHTML = old.statuses[old.statuses.length - 1] || "";
    document.getElementById("old").textContent = JSON.stringify(old);
  }

  function note(list, what) {
    list.push(what);
    show();
  }

  function logIn(done) {
    var request = new XMLHttpRequest();
    request.open("POST", "/dev/login", true);
    request.setRequestHeader("Content-Type", "application/json");
    request.onload = function () {
      done(JSON.parse(request.responseText).token);
    };
    request.onerror = function () {
      done();
    };
    request.send(JSON.stringify(login));
  }

  for (var index = 0; index < channels.length; index++) old.told[channels[index]] = [];
  BellwirePoll.start({
    url: "/v1",
    channels: channels,
    token: login && logIn,
    onUpdate: function (update) {
      note(old.told[update.channel], [update.seq, update.op, update.key || null, update.data]);
    },
    onState: function (channel, state) {
      old.states[channel] = state;
      show();
    },
    onReset: function (channel) {
      note(old.told[channel], "reset");
    },
    onError: function (error) {
      note(old.errors, [error.code, error.retryable]);
    },
    onStatus: function (status) {
      note(old.statuses, status);
    }
  });
}

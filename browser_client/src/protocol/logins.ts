/**
 * What another login does: nothing that was the old one's is kept.
 *
 * Part of the whole machine in connection.ts.
 */
import { isPublic } from "./channels.ts";
import { HANDLERS, isOther, takeSession } from "./core.ts";
import { BellwireError } from "./errors.ts";
import * as link from "./link.ts";
import type { Handlers, Work } from "./machine.ts";
import { takeAway } from "./sequence.ts";
import * as sessions from "./sessions.ts";
import { addChannel, deliver, readable, refuse, startLine } from "./watches.ts";

export const LOGIN_HANDLERS: Pick<
  Handlers,
  "LoginChanged" | "CredentialsArrived" | "CredentialsFailed" | "TimerFired"
> = {
  LoginChanged(work, { token }) {
    work.login = sessions.startLogin(token, work.login.number + 1);
    beginAnew(work);
  },
  CredentialsArrived(work, { login, session }) {
    if (login !== work.login.number) return;
    const isAnother = isOther(work, session);
    takeSession(work, session);
    // The application's own login may have become another one without a word.
    if (isAnother) beginAnew(work);
    else link.onSession(work);
  },
  TimerFired(work) {
    refuseForbidden(work);
    HANDLERS.TimerFired(work);
  },
  CredentialsFailed(work, event) {
    if (event.login === work.login.number) HANDLERS.CredentialsFailed(work, event);
  },
};

/** Say of a guest's private channels what the server would say, without asking it. */
function refuseForbidden(work: Work): void {
  const error = new BellwireError("not_allowed", "found a guest, expected a login");
  for (const watch of readable(work.watches)) {
    if (sessions.isForbidden(work, watch)) refuse(work, watch, error);
  }
}

/** Forget what was private, and every answer on its way. */
function beginAnew(work: Work): void {
  const { watches, lines } = work;
  Object.assign(lines.public, startLine(false));
  Object.assign(lines.private, startLine(true));
  for (const [channel, watch] of watches) {
    watch.isRefused = false;
    watch.checkMs = work.nowMs;
    if (isPublic(channel)) continue;
    addChannel(work, channel);
    deliver(work, channel, takeAway(watch.sequence));
  }
  if (work.link.phase === "asleep") return;
  link.leave(work, "idle");
  link.start(work);
}

// Reads one case a line, {action, resource, context, layers: [[document]]}, and prints what npm
// `@cloud-copilot/iam-simulate` says: of each layer, and of the first two as role and boundary.
import { createInterface } from "node:readline";
import { runUnsafeSimulation } from "@cloud-copilot/iam-simulate";

const ACCOUNT = "000000000000";
const named = (documents) => documents.map((policy, place) => ({ name: `p${place}`, policy }));

function ask({ action, resource, context }, identityPolicies, boundaries) {
  const simulation = {
    request: {
      principal: `arn:aws:iam::${ACCOUNT}:role/r`,
      action,
      resource: { resource, accountId: ACCOUNT },
      contextVariables: context,
    },
    identityPolicies: named(identityPolicies),
    serviceControlPolicies: [],
    resourceControlPolicies: [],
    ...(boundaries && { permissionBoundaryPolicies: named(boundaries) }),
  };
  return runUnsafeSimulation(simulation, {}) === "Allowed";
}

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  const { layers } = asked;
  console.log(
    JSON.stringify({
      layers: layers.map((documents) => ask(asked, documents)),
      both: ask(asked, layers[0], layers[1]),
    }),
  );
}

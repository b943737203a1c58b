import { PubSub } from "@aws-amplify/pubsub";
import { Amplify } from "aws-amplify";

Amplify.configure({
  Auth: {
    Cognito: { identityPoolId: "us-east-1:0", allowGuestAccess: true },
  },
});
const pubsub = new PubSub({ region: "us-east-1", endpoint: "wss://example.org/mqtt" });
pubsub.subscribe({ topics: ["public/host"] }).subscribe({ next: console.log });

import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { ApiError } from "./api/client";
import { App } from "./app";
import { startLook } from "./state/look";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/charts.css";
import "./styles/views.css";

startLook();
const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      // what the API refuses it refuses again; what did not get through may
      retry: (times, problem) => times < 1 && problem instanceof ApiError && (problem.status === 0 || problem.status >= 502),
    },
  },
});
const root = document.getElementById("root");
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <App />
      </QueryClientProvider>
    </StrictMode>,
  );
}

// One after the other: they share a database.
import "./stories.test.mjs";
import "./features.test.mjs";
import "./views.test.mjs";

// What stands below everything. A script of its own, in the oldest JavaScript, so that it runs where the
// page itself does not: in an old browser, after a failed load, behind a proxy that changes scripts.
(function () {
  var root = document.documentElement;

  // The theme, before anything is drawn.
  var theme = 'system';
  try {
    theme = localStorage.getItem('llm-cast theme') || theme;
  } catch (error) {
    console.warn('The browser keeps no settings.', error);
  }
  root.setAttribute('data-theme', theme);

  /** How long the page may take to begin once all of it is loaded, in ms. */
  var PATIENCE_MS = 15000;
  var reason = '';

  /** Set by main.ts, when there is something to see. */
  function isThere() {
    return root.getAttribute('data-page') === 'there';
  }

  function say() {
    var shell = document.getElementById('shell');
    if (isThere() || !shell) return;
    var isOld = !('noModule' in document.createElement('script')) || /SyntaxError/.test(reason);
    document.getElementById('shell-state').textContent = isOld
      ? 'This page needs a newer browser: one of 2023 or later.'
      : 'This page could not be loaded.';
    document.getElementById('shell-reason').textContent = reason;
    document.getElementById('shell-ways').hidden = false;
    root.setAttribute('data-page', 'failed');
  }

  function note(what) {
    if (isThere()) return;
    reason = reason || what;
    // What is loaded may still begin, as after an error in an extension.
    setTimeout(say, 1000);
  }

  addEventListener(
    'error',
    function (event) {
      var target = event.target;
      if (target && target.tagName === 'SCRIPT') note('A script did not come: ' + target.src);
      else if (event.message) note(event.message);
    },
    true,
  );
  addEventListener('unhandledrejection', function (event) {
    note(String(event.reason));
  });
  addEventListener('load', function () {
    setTimeout(say, 'noModule' in document.createElement('script') ? PATIENCE_MS : 0);
  });
})();

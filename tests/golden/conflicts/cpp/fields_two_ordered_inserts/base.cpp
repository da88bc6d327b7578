class Session {
    Socket socket_;
    Timer timer_;
};

class Door {
public:
    void open();
    void close();
};
